package eval

import (
	"bufio"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"unicode"
)

// Overlap finds text that evaluation problems share with training data: runs of Words consecutive words, compared in lower case without punctuation.
// A problem shorter than that is looked for whole. Thirteen words is what the GPT-3 paper took (2005.14165, appendix C).
type Overlap struct {
	Words int

	seed  maphash.Seed
	grams map[uint64][]int32 // hash of a run of words -> problems that hold it
	short map[int][]int      // number of words -> problems of just so many, below Words
	hits  []Hit
	total []int // runs of each problem
	seen  []map[uint64]bool
}

// Hit is how much of a problem was found.
type Hit struct {
	Share float64 `json:"share"`           // of the problem's runs of words
	Where string  `json:"where,omitempty"` // the source and line of the first
}

// NewOverlap prepares the search for these problems' texts.
func NewOverlap(words int, problems []string) *Overlap {
	o := &Overlap{Words: max(words, 1), seed: maphash.MakeSeed(), grams: map[uint64][]int32{}, short: map[int][]int{},
		hits: make([]Hit, len(problems)), total: make([]int, len(problems)), seen: make([]map[uint64]bool, len(problems))}
	for i, p := range problems {
		w := normalWords(p)
		n := min(len(w), o.Words)
		if n == 0 {
			continue
		}
		if n < o.Words {
			o.short[n] = append(o.short[n], i)
		}
		o.seen[i] = map[uint64]bool{}
		for at := 0; at+n <= len(w); at++ {
			h := o.hash(w[at : at+n])
			if _, twice := o.seen[i][h]; !twice {
				o.seen[i][h] = false
				o.grams[h] = append(o.grams[h], int32(i))
				o.total[i]++
			}
		}
	}
	return o
}

// Read searches one source, a line at a time; a run of words does not reach across lines of more than a mebibyte.
func (o *Overlap) Read(name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<20)
	for line := 1; ; line++ {
		text, err := in.ReadString('\n')
		o.search(normalWords(text), name, line)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("eval: %s: line %d: %w", name, line, err)
		}
	}
}

func (o *Overlap) search(w []string, name string, line int) {
	o.runs(w, o.Words, name, line)
	for n := range o.short {
		o.runs(w, n, name, line)
	}
}

func (o *Overlap) runs(w []string, n int, name string, line int) {
	for at := 0; at+n <= len(w); at++ {
		h := o.hash(w[at : at+n])
		for _, i := range o.grams[h] {
			if found := o.seen[i][h]; found {
				continue
			}
			o.seen[i][h] = true
			if o.hits[i].Share == 0 {
				o.hits[i].Where = fmt.Sprintf("%s:%d", name, line)
			}
			o.hits[i].Share += 1 / float64(o.total[i])
		}
	}
}

// Hits is what was found of each problem, in their order.
func (o *Overlap) Hits() []Hit { return o.hits }

func (o *Overlap) hash(words []string) uint64 {
	var h maphash.Hash
	h.SetSeed(o.seed)
	for _, w := range words {
		h.WriteString(w)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// normalWords are the words of a text in lower case, without what is neither letter nor digit.
func normalWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
