//go:build !amd64

package attn

var avx2, avx512 kernels
