package gemm

var avx2, avx512 = &generic, &generic
