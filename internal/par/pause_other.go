//go:build !amd64

package par

// pause passes a little time.
//
//go:noinline
func pause(n int) {
	for i := 0; i < 16*n; i++ {
	}
}
