package par

// pause tells the core n times that it is in a spin loop.
//
//go:noescape
func pause(n int)
