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

// e4m3 to bf16, byte by byte: the lower byte is the lower nibble shifted up, the upper byte the next three bits plus half the difference of the
// biases. Codes whose bits 4 to 6 are zero, the denormals and the smallest normals, are looked up by their lower nibble.
DATA e4m3Upper<>+0(SB)/8, $0x3C3C3C3C3B3B3B00
DATA e4m3Upper<>+8(SB)/8, $0x3C3C3C3C3C3C3C3C
GLOBL e4m3Upper<>(SB), RODATA|NOPTR, $16
DATA e4m3Lower<>+0(SB)/8, $0x60402000C0800000
DATA e4m3Lower<>+8(SB)/8, $0xF0E0D0C0B0A09080
GLOBL e4m3Lower<>(SB), RODATA|NOPTR, $16

// The order of quadwords that makes unpacking give bytes 0 to 31 and 32 to 63.
DATA unpackOrder<>+0(SB)/8, $0
DATA unpackOrder<>+8(SB)/8, $4
DATA unpackOrder<>+16(SB)/8, $1
DATA unpackOrder<>+24(SB)/8, $5
DATA unpackOrder<>+32(SB)/8, $2
DATA unpackOrder<>+40(SB)/8, $6
DATA unpackOrder<>+48(SB)/8, $3
DATA unpackOrder<>+56(SB)/8, $7
GLOBL unpackOrder<>(SB), RODATA|NOPTR, $64

DATA e4m3Bytes<>+0(SB)/1, $0xF0
DATA e4m3Bytes<>+1(SB)/1, $0x07
DATA e4m3Bytes<>+2(SB)/1, $0x3C // (127-7)/2
DATA e4m3Bytes<>+3(SB)/1, $0x0F
DATA e4m3Bytes<>+4(SB)/1, $0x7F
DATA e4m3Bytes<>+5(SB)/1, $0x80
GLOBL e4m3Bytes<>(SB), RODATA|NOPTR, $6

// 64 codes in Z0, in unpackOrder, become bf16 in Z1 and Z3.
#define E4M3 \
	VPSLLW     $4, Z0, Z1;          \
	VPANDD     Z10, Z1, Z1;         \
	VPSRLW     $4, Z0, Z2;          \
	VPANDD     Z11, Z2, Z2;         \
	VPTESTNMB  Z2, Z2, K1;          \
	VPADDB     Z12, Z2, Z2;         \
	VPANDD     Z13, Z0, Z3;         \
	VPANDD     Z14, Z0, Z4;         \
	VPSHUFB    Z3, Z17, K1, Z1;     \
	VPSHUFB    Z3, Z16, K1, Z2;     \
	VPCMPEQB   Z14, Z4, K2;         \
	VMOVDQU8   Z14, K2, Z2;         \
	VPTERNLOGD $0xF8, Z15, Z0, Z2;  \
	VPUNPCKHBW Z2, Z1, Z3;          \
	VPUNPCKLBW Z2, Z1, Z1

// func e4m3ToBF16AVX512(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·e4m3ToBF16AVX512(SB), NOSPLIT, $0-40
	MOVQ            dst+0(FP), DI
	MOVQ            src+8(FP), SI
	MOVQ            steps+16(FP), CX
	MOVQ            ahead+32(FP), R9
	VPBROADCASTB    e4m3Bytes<>+0(SB), Z10
	VPBROADCASTB    e4m3Bytes<>+1(SB), Z11
	VPBROADCASTB    e4m3Bytes<>+2(SB), Z12
	VPBROADCASTB    e4m3Bytes<>+3(SB), Z13
	VPBROADCASTB    e4m3Bytes<>+4(SB), Z14
	VPBROADCASTB    e4m3Bytes<>+5(SB), Z15
	VBROADCASTI32X4 e4m3Upper<>(SB), Z16
	VBROADCASTI32X4 e4m3Lower<>(SB), Z17
	VMOVDQU64       unpackOrder<>(SB), Z18
	SUBQ            $2, CX
	JLT             rest

steps:
	PREFETCHT1 (SI)(R9*1)
	VPERMQ     (SI), Z18, Z0
	E4M3
	VMOVDQU64  Z1, (DI)
	VMOVDQU64  Z3, 256(DI)
	ADDQ       $64, SI
	ADDQ       $512, DI
	SUBQ       $2, CX
	JGE        steps

rest:
	ADDQ       $2, CX
	JZ         done
	PREFETCHT1 (SI)(R9*1)
	VMOVDQU    (SI), Y0
	VPERMQ     Z0, Z18, Z0
	E4M3
	VMOVDQU64  Z1, (DI)

done:
	VZEROUPPER
	RET

// The denormals of e5m2 as bf16: j·2^-16.
DATA e5m2Small<>+0(SB)/8, $0x3840380037800000
GLOBL e5m2Small<>(SB), RODATA|NOPTR, $8

// Words: magnitude, sign, e5m2's bias correction, infinity, exponent.
DATA e5m2Words<>+0(SB)/2, $0x007F
DATA e5m2Words<>+2(SB)/2, $0x8000
DATA e5m2Words<>+4(SB)/2, $0x3800 // (127-15)<<7
DATA e5m2Words<>+6(SB)/2, $0x7F80
DATA e5m2Words<>+8(SB)/2, $0x007C
GLOBL e5m2Words<>(SB), RODATA|NOPTR, $10

// func e5m2ToBF16AVX512(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·e5m2ToBF16AVX512(SB), NOSPLIT, $0-40
	MOVQ           dst+0(FP), DI
	MOVQ           src+8(FP), SI
	MOVQ           steps+16(FP), CX
	MOVQ           ahead+32(FP), R9
	VPBROADCASTW   e5m2Words<>+0(SB), Z10
	VPBROADCASTW   e5m2Words<>+2(SB), Z11
	VPBROADCASTW   e5m2Words<>+4(SB), Z12
	VPBROADCASTW   e5m2Words<>+6(SB), Z13
	VPBROADCASTW   e5m2Words<>+8(SB), Z14
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

// func interleaveAVX512(dst, even, odd unsafe.Pointer, lines int, step, ahead uintptr)
TEXT ·interleaveAVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ even+8(FP), SI
	MOVQ odd+16(FP), DX
	MOVQ lines+24(FP), CX
	MOVQ step+32(FP), R8
	MOVQ ahead+40(FP), R9

next:
	PREFETCHT1 (SI)(R9*1)
	PREFETCHT1 (DX)(R9*1)
	VPMOVZXWD (SI), Z0
	VPMOVZXWD (DX), Z1
	VPSLLD    $16, Z1, Z1
	VPORD     Z1, Z0, Z0
	VMOVUPS   Z0, (DI)
	ADDQ      $32, SI
	ADDQ      $32, DX
	ADDQ      R8, DI
	DECQ      CX
	JNZ       next
	VZEROUPPER
	RET
