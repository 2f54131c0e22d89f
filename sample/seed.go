package sample

// Seed makes one seed of several counters, such as those of run, step, prompt and sample: what is drawn with it depends on them and on nothing
// that happens beside. Counters that differ anywhere, in order or number give seeds that have nothing in common.
func Seed(counters ...uint64) uint64 {
	h := ^uint64(len(counters))
	for _, c := range counters {
		h = mix(h*0xd1342543de82ef95 ^ mix(c+1)) // the odd factor keeps the state apart from what mix gives
	}
	return h
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
