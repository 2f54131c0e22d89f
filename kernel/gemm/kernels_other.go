//go:build !amd64

package gemm

var avx2, avx512 *kernels
