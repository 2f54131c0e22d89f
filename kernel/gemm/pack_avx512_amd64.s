#include "textflag.h"

// func copyAVX512(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·copyAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ steps+16(FP), CX
	MOVQ ahead+32(FP), R9

step:
	PREFETCHT1 (SI)(R9*1)
	VMOVUPS (SI), Z0
	VMOVUPS Z0, (DI)
	ADDQ    $64, SI
	ADDQ    $256, DI
	DECQ    CX
	JNZ     step
	VZEROUPPER
	RET

// The denormals of the 8-bit floats as bf16: j·2^-9 of e4m3, j·2^-16 of e5m2.
DATA e4m3Small<>+0(SB)/8, $0x3BC03B803B000000
DATA e4m3Small<>+8(SB)/8, $0x3C603C403C203C00
GLOBL e4m3Small<>(SB), RODATA|NOPTR, $16
DATA e5m2Small<>+0(SB)/8, $0x3840380037800000
GLOBL e5m2Small<>(SB), RODATA|NOPTR, $8

// Words: magnitude, sign, e4m3's bias correction and NaN, its bf16 NaN; exponent bits of e4m3; then e5m2's the same way.
DATA fp8<>+0(SB)/2, $0x007F
DATA fp8<>+2(SB)/2, $0x8000
DATA fp8<>+4(SB)/2, $0x3C00 // (127-7)<<7
DATA fp8<>+6(SB)/2, $0x7FC0
DATA fp8<>+8(SB)/2, $0x0078
DATA fp8<>+10(SB)/2, $0x3800 // (127-15)<<7
DATA fp8<>+12(SB)/2, $0x7F80
DATA fp8<>+14(SB)/2, $0x007C
GLOBL fp8<>(SB), RODATA|NOPTR, $16

// func e4m3ToBF16AVX512(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·e4m3ToBF16AVX512(SB), NOSPLIT, $0-40
	MOVQ           dst+0(FP), DI
	MOVQ           src+8(FP), SI
	MOVQ           steps+16(FP), CX
	MOVQ           ahead+32(FP), R9
	VPBROADCASTW   fp8<>+0(SB), Z10
	VPBROADCASTW   fp8<>+2(SB), Z11
	VPBROADCASTW   fp8<>+4(SB), Z12
	VPBROADCASTW   fp8<>+6(SB), Z13
	VPBROADCASTW   fp8<>+8(SB), Z14
	VBROADCASTI32X4 e4m3Small<>(SB), Z15

step:
	PREFETCHT1 (SI)(R9*1)
	VPMOVZXBW  (SI), Z0
	VPANDD     Z10, Z0, Z1
	VPCMPEQW   Z10, Z1, K1      // NaN
	VPTESTNMW  Z14, Z0, K2      // denormals
	VPSLLW     $4, Z1, Z2
	VPADDW     Z12, Z2, Z2
	VPERMW     Z15, Z1, K2, Z2
	VMOVDQU16  Z13, K1, Z2
	VPSLLW     $8, Z0, Z0
	VPTERNLOGD $0xF8, Z11, Z0, Z2 // Z2 | Z0&sign
	VMOVDQU16  Z2, (DI)
	ADDQ       $32, SI
	ADDQ       $256, DI
	DECQ       CX
	JNZ        step
	VZEROUPPER
	RET

// func e5m2ToBF16AVX512(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·e5m2ToBF16AVX512(SB), NOSPLIT, $0-40
	MOVQ           dst+0(FP), DI
	MOVQ           src+8(FP), SI
	MOVQ           steps+16(FP), CX
	MOVQ           ahead+32(FP), R9
	VPBROADCASTW   fp8<>+0(SB), Z10
	VPBROADCASTW   fp8<>+2(SB), Z11
	VPBROADCASTW   fp8<>+10(SB), Z12
	VPBROADCASTW   fp8<>+12(SB), Z13
	VPBROADCASTW   fp8<>+14(SB), Z14
	VPBROADCASTQ   e5m2Small<>(SB), Z15

step:
	PREFETCHT1 (SI)(R9*1)
	VPMOVZXBW  (SI), Z0
	VPANDD     Z10, Z0, Z1
	VPCMPUW    $5, Z14, Z1, K1  // infinities and NaNs: exponent all ones
	VPTESTNMW  Z14, Z0, K2      // denormals
	VPSLLW     $5, Z1, Z2
	VPADDW     Z12, Z2, Z2
	VPERMW     Z15, Z1, K2, Z2
	VMOVDQU16.Z Z13, K1, Z3
	VPORD      Z3, Z2, Z2
	VPSLLW     $8, Z0, Z0
	VPTERNLOGD $0xF8, Z11, Z0, Z2 // Z2 | Z0&sign
	VMOVDQU16  Z2, (DI)
	ADDQ       $32, SI
	ADDQ       $256, DI
	DECQ       CX
	JNZ        step
	VZEROUPPER
	RET
