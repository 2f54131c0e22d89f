#include "textflag.h"

// Panels: a line is 64 bytes, and the lines of one row of W stand 256 bytes apart (panelStep), so that 4 rows interleave.

DATA fp8<>+0(SB)/4, $0x3F803F80 // e4m3's exponent and mantissa where f16 has them, all ones: NaN
DATA fp8<>+4(SB)/4, $0x80008000 // signs of 16-bit words
DATA fp8<>+8(SB)/4, $0x7E007E00 // a NaN of f16
DATA fp8<>+12(SB)/4, $256.0      // what e4m3's bias of 7 takes from f16's of 15
GLOBL fp8<>(SB), RODATA|NOPTR, $16

// Bytes 0, 2, … 14, then 1, 3, … 15.
DATA evenOdd<>+0(SB)/8, $0x0E0C0A0806040200
DATA evenOdd<>+8(SB)/8, $0x0F0D0B0907050301
GLOBL evenOdd<>(SB), RODATA|NOPTR, $16

DATA bf16Round<>+0(SB)/4, $0x00007FFF
DATA bf16Round<>+4(SB)/4, $0x00000001
DATA bf16Round<>+8(SB)/4, $0x00400000
GLOBL bf16Round<>(SB), RODATA|NOPTR, $12

#define ARGS \
	MOVQ dst+0(FP), DI; \
	MOVQ src+8(FP), SI; \
	MOVQ steps+16(FP), CX

#define CONV_ARGS \
	ARGS; \
	MOVQ ahead+32(FP), R9

// func copyAVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·copyAVX2(SB), NOSPLIT, $0-40
	CONV_ARGS

step:
	PREFETCHT1 (SI)(R9*1)
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ    $64, SI
	ADDQ    $256, DI
	DECQ    CX
	JNZ     step
	VZEROUPPER
	RET

// func f16ToF32AVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·f16ToF32AVX2(SB), NOSPLIT, $0-40
	CONV_ARGS

step:
	PREFETCHT1 (SI)(R9*1)
	VCVTPH2PS (SI), Y0
	VCVTPH2PS 16(SI), Y1
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	ADDQ      $32, SI
	ADDQ      $256, DI
	DECQ      CX
	JNZ       step
	VZEROUPPER
	RET

// func bf16ToF32AVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·bf16ToF32AVX2(SB), NOSPLIT, $0-40
	CONV_ARGS

step:
	PREFETCHT1 (SI)(R9*1)
	VPMOVZXWD (SI), Y0
	VPMOVZXWD 16(SI), Y1
	VPSLLD    $16, Y0, Y0
	VPSLLD    $16, Y1, Y1
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	ADDQ      $32, SI
	ADDQ      $256, DI
	DECQ      CX
	JNZ       step
	VZEROUPPER
	RET

#define E4M3_CONSTANTS \
	VPBROADCASTD fp8<>+0(SB), Y12;  \
	VPBROADCASTD fp8<>+4(SB), Y13;  \
	VPBROADCASTD fp8<>+8(SB), Y14;  \
	VBROADCASTSS fp8<>+12(SB), Y15

// 16 e4m3 codes in the words of Y0 become f32 in Y0 and Y1: through f16, where they are 256 times too small.
#define E4M3 \
	VPSLLW       $7, Y0, Y1;      \
	VPAND        Y12, Y1, Y1;     \
	VPSLLW       $8, Y0, Y0;      \
	VPAND        Y13, Y0, Y0;     \
	VPOR         Y1, Y0, Y0;      \
	VPCMPEQW     Y12, Y1, Y1;     \
	VPAND        Y14, Y1, Y1;     \
	VPOR         Y1, Y0, Y0;      \
	VEXTRACTI128 $1, Y0, X1;      \
	VCVTPH2PS    X0, Y0;          \
	VCVTPH2PS    X1, Y1;          \
	VMULPS       Y15, Y0, Y0;     \
	VMULPS       Y15, Y1, Y1

// 16 e5m2 codes in the words of Y0 become f32 in Y0 and Y1: they are the upper bytes of f16.
#define E5M2 \
	VPSLLW       $8, Y0, Y0;      \
	VEXTRACTI128 $1, Y0, X1;      \
	VCVTPH2PS    X0, Y0;          \
	VCVTPH2PS    X1, Y1

// func e4m3ToF32AVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·e4m3ToF32AVX2(SB), NOSPLIT, $0-40
	CONV_ARGS
	VBROADCASTSS scale+24(FP), Y11
	E4M3_CONSTANTS

step:
	PREFETCHT1 (SI)(R9*1)
	VPMOVZXBW (SI), Y0
	E4M3
	VMULPS    Y11, Y0, Y0
	VMULPS    Y11, Y1, Y1
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	ADDQ      $16, SI
	ADDQ      $256, DI
	DECQ      CX
	JNZ       step
	VZEROUPPER
	RET

// func e5m2ToF32AVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·e5m2ToF32AVX2(SB), NOSPLIT, $0-40
	CONV_ARGS
	VBROADCASTSS scale+24(FP), Y11

step:
	PREFETCHT1 (SI)(R9*1)
	VPMOVZXBW (SI), Y0
	E5M2
	VMULPS    Y11, Y0, Y0
	VMULPS    Y11, Y1, Y1
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	ADDQ      $16, SI
	ADDQ      $256, DI
	DECQ      CX
	JNZ       step
	VZEROUPPER
	RET

// Pairs: 32 weights become two lines of f32, the odd ones and then the even ones.

// func bf16ToPairsAVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·bf16ToPairsAVX2(SB), NOSPLIT, $0-40
	CONV_ARGS
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y15

step:
	PREFETCHT1 (SI)(R9*1)
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VPAND   Y15, Y0, Y2
	VPAND   Y15, Y1, Y3
	VPSLLD  $16, Y0, Y0
	VPSLLD  $16, Y1, Y1
	VMOVUPS Y2, (DI)
	VMOVUPS Y3, 32(DI)
	VMOVUPS Y0, 256(DI)
	VMOVUPS Y1, 288(DI)
	ADDQ    $64, SI
	ADDQ    $512, DI
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

DATA e4m3Bytes<>+0(SB)/1, $0xF0
DATA e4m3Bytes<>+1(SB)/1, $0x07
DATA e4m3Bytes<>+2(SB)/1, $0x3C // (127-7)/2
DATA e4m3Bytes<>+3(SB)/1, $0x0F
DATA e4m3Bytes<>+4(SB)/1, $0x7F
DATA e4m3Bytes<>+5(SB)/1, $0x80
GLOBL e4m3Bytes<>(SB), RODATA|NOPTR, $6

// func e4m3ToPairsAVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·e4m3ToPairsAVX2(SB), NOSPLIT, $0-40
	CONV_ARGS
	VPBROADCASTB   e4m3Bytes<>+0(SB), Y6
	VPBROADCASTB   e4m3Bytes<>+1(SB), Y7
	VPBROADCASTB   e4m3Bytes<>+2(SB), Y8
	VPBROADCASTB   e4m3Bytes<>+3(SB), Y9
	VPBROADCASTB   e4m3Bytes<>+4(SB), Y10
	VPBROADCASTB   e4m3Bytes<>+5(SB), Y11
	VBROADCASTI128 e4m3Upper<>(SB), Y12
	VBROADCASTI128 e4m3Lower<>(SB), Y13
	VPXOR          Y14, Y14, Y14
	VPCMPEQD       Y15, Y15, Y15
	VPSLLD         $16, Y15, Y15

step:
	PREFETCHT1 (SI)(R9*1)
	VMOVDQU    (SI), Y0
	VPSLLW     $4, Y0, Y1
	VPAND      Y6, Y1, Y1      // lower bytes
	VPSRLW     $4, Y0, Y2
	VPAND      Y7, Y2, Y2
	VPCMPEQB   Y14, Y2, Y5
	VPADDB     Y8, Y2, Y2      // upper bytes
	VPAND      Y9, Y0, Y3
	VPSHUFB    Y3, Y12, Y4
	VPSHUFB    Y3, Y13, Y3
	VPBLENDVB  Y5, Y4, Y2, Y2
	VPBLENDVB  Y5, Y3, Y1, Y1
	VPAND      Y10, Y0, Y3
	VPCMPEQB   Y10, Y3, Y3
	VPAND      Y10, Y3, Y3     // NaNs
	VPAND      Y11, Y0, Y0     // signs
	VPOR       Y3, Y2, Y2
	VPOR       Y0, Y2, Y2
	VPUNPCKLBW Y2, Y1, Y0
	VPUNPCKHBW Y2, Y1, Y1
	VPERM2I128 $0x20, Y1, Y0, Y2
	VPERM2I128 $0x31, Y1, Y0, Y3
	VPAND      Y15, Y2, Y4
	VPAND      Y15, Y3, Y5
	VPSLLD     $16, Y2, Y2
	VPSLLD     $16, Y3, Y3
	VMOVUPS    Y4, (DI)
	VMOVUPS    Y5, 32(DI)
	VMOVUPS    Y2, 256(DI)
	VMOVUPS    Y3, 288(DI)
	ADDQ       $32, SI
	ADDQ       $512, DI
	DECQ       CX
	JNZ        step
	VZEROUPPER
	RET

// func e5m2ToPairsAVX2(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)
TEXT ·e5m2ToPairsAVX2(SB), NOSPLIT, $0-40
	CONV_ARGS
	VMOVDQU evenOdd<>(SB), X10

step:
	PREFETCHT1 (SI)(R9*1)
	VMOVDQU   (SI), X0
	VPSHUFB   X10, X0, X0
	VPMOVZXBW X0, Y0
	E5M2
	VMOVUPS   Y1, (DI)
	VMOVUPS   Y0, 256(DI)
	VMOVDQU   16(SI), X0
	VPSHUFB   X10, X0, X0
	VPMOVZXBW X0, Y0
	E5M2
	VMOVUPS   Y1, 32(DI)
	VMOVUPS   Y0, 288(DI)
	ADDQ      $32, SI
	ADDQ      $512, DI
	DECQ      CX
	JNZ       step
	VZEROUPPER
	RET

// func widenXAVX2(dst, src unsafe.Pointer, steps, rows int)
TEXT ·widenXAVX2(SB), NOSPLIT, $0-32
	ARGS
	MOVQ     rows+24(FP), BX
	MOVQ     BX, R8
	SHLQ     $6, R8
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y15

step:
	MOVQ BX, DX

row:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VPAND   Y15, Y0, Y2
	VPAND   Y15, Y1, Y3
	VPSLLD  $16, Y0, Y0
	VPSLLD  $16, Y1, Y1
	VMOVUPS Y2, (DI)
	VMOVUPS Y3, 32(DI)
	VMOVUPS Y0, (DI)(R8*1)
	VMOVUPS Y1, 32(DI)(R8*1)
	ADDQ    $64, SI
	ADDQ    $64, DI
	DECQ    DX
	JNZ     row
	ADDQ    R8, DI
	DECQ    CX
	JNZ     step
	VZEROUPPER
	RET

// 8 values in Y0 rounded to bf16, in its words 0, 2, …: nearest even, NaN made quiet.
#define ROUND(Y0) \
	VPSRLD    $16, Y0, Y4;        \
	VPAND     Y14, Y4, Y4;        \
	VPADDD    Y15, Y4, Y4;        \
	VPADDD    Y0, Y4, Y4;         \
	VCMPPS    $3, Y0, Y0, Y5;     \
	VPOR      Y13, Y0, Y0;        \
	VBLENDVPS Y5, Y0, Y4, Y0;     \
	VPSRLD    $16, Y0, Y0

// func roundBF16AVX2(dst, src unsafe.Pointer, lines int, step uintptr)
TEXT ·roundBF16AVX2(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         lines+16(FP), CX
	MOVQ         step+24(FP), R8
	VPBROADCASTD bf16Round<>+0(SB), Y15
	VPBROADCASTD bf16Round<>+4(SB), Y14
	VPBROADCASTD bf16Round<>+8(SB), Y13

next:
	VMOVUPS   (SI), Y0
	VMOVUPS   32(SI), Y1
	VMOVUPS   64(SI), Y2
	VMOVUPS   96(SI), Y3
	ROUND(Y0)
	ROUND(Y1)
	ROUND(Y2)
	ROUND(Y3)
	VPACKUSDW Y1, Y0, Y0
	VPACKUSDW Y3, Y2, Y2
	VPERMQ    $0xD8, Y0, Y0
	VPERMQ    $0xD8, Y2, Y2
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y2, 32(DI)
	ADDQ      $128, SI
	ADDQ      R8, DI
	DECQ      CX
	JNZ       next
	VZEROUPPER
	RET

// func dealSSE(dst, src unsafe.Pointer, tiles, steps int, srcStep uintptr)
// A tile has 192 steps of 24 bytes (sweepTile).
TEXT ·dealSSE(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), R8
	MOVQ src+8(FP), R9
	MOVQ tiles+16(FP), R10
	MOVQ steps+24(FP), R11
	MOVQ srcStep+32(FP), R12

step:
	MOVQ R8, DI
	MOVQ R9, SI
	MOVQ R10, CX

tile:
	PREFETCHT1 (SI)(R12*8)
	MOVUPS (SI), X0
	MOVQ   16(SI), AX
	MOVUPS X0, (DI)
	MOVQ   AX, 16(DI)
	ADDQ   $24, SI
	ADDQ   $4608, DI
	DECQ   CX
	JNZ    tile
	ADDQ   $24, R8
	ADDQ   R12, R9
	DECQ   R11
	JNZ    step
	RET

// func widenSwappedAVX2(dst, src unsafe.Pointer, groups int)
TEXT ·widenSwappedAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ groups+16(FP), CX

next:
	VPMOVZXWD (SI), Y0
	VPSLLD    $16, Y0, Y0
	VPSHUFD   $0xB1, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	DECQ      CX
	JNZ       next
	VZEROUPPER
	RET

// func copyLinesAVX2(dst, src unsafe.Pointer, lines int, step uintptr)
TEXT ·copyLinesAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ lines+16(FP), CX
	MOVQ step+24(FP), R8

next:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ    $64, SI
	ADDQ    R8, DI
	DECQ    CX
	JNZ     next
	VZEROUPPER
	RET

// Turns the 8 x 8 values of rows R12 bytes apart from P on, and stores a column at D and each 8th part of 16 places: R8, twice what lies between
// places, times its number with the bits in reverse. R9, R10, R11 are 3, 5 and 7 times R8; R13, AX, DX 3, 5 and 7 times R12.
#define TURN8(P, OFF, D, AT) \
	VMOVUPS     OFF(P), Y0; \
	VMOVUPS     OFF(P)(R12*1), Y1; \
	VMOVUPS     OFF(P)(R12*2), Y2; \
	VMOVUPS     OFF(P)(R13*1), Y3; \
	VMOVUPS     OFF(P)(R12*4), Y4; \
	VMOVUPS     OFF(P)(AX*1), Y5; \
	VMOVUPS     OFF(P)(R13*2), Y6; \
	VMOVUPS     OFF(P)(DX*1), Y7; \
	VUNPCKLPS   Y1, Y0, Y8; \
	VUNPCKHPS   Y1, Y0, Y9; \
	VUNPCKLPS   Y3, Y2, Y10; \
	VUNPCKHPS   Y3, Y2, Y11; \
	VUNPCKLPS   Y5, Y4, Y12; \
	VUNPCKHPS   Y5, Y4, Y13; \
	VUNPCKLPS   Y7, Y6, Y14; \
	VUNPCKHPS   Y7, Y6, Y15; \
	VUNPCKLPD   Y10, Y8, Y0; \
	VUNPCKHPD   Y10, Y8, Y1; \
	VUNPCKLPD   Y11, Y9, Y2; \
	VUNPCKHPD   Y11, Y9, Y3; \
	VUNPCKLPD   Y14, Y12, Y4; \
	VUNPCKHPD   Y14, Y12, Y5; \
	VUNPCKLPD   Y15, Y13, Y6; \
	VUNPCKHPD   Y15, Y13, Y7; \
	VPERM2F128  $0x20, Y4, Y0, Y8; \
	VPERM2F128  $0x20, Y5, Y1, Y9; \
	VPERM2F128  $0x20, Y6, Y2, Y10; \
	VPERM2F128  $0x20, Y7, Y3, Y11; \
	VPERM2F128  $0x31, Y4, Y0, Y12; \
	VPERM2F128  $0x31, Y5, Y1, Y13; \
	VPERM2F128  $0x31, Y6, Y2, Y14; \
	VPERM2F128  $0x31, Y7, Y3, Y15; \
	VMOVUPS     Y8, AT(D); \
	VMOVUPS     Y9, AT(D)(R8*4); \
	VMOVUPS     Y10, AT(D)(R8*2); \
	VMOVUPS     Y11, AT(D)(R9*2); \
	VMOVUPS     Y12, AT(D)(R8*1); \
	VMOVUPS     Y13, AT(D)(R10*1); \
	VMOVUPS     Y14, AT(D)(R9*1); \
	VMOVUPS     Y15, AT(D)(R11*1)

// func turnAVX2(dst, src unsafe.Pointer, steps int, srcStep uintptr, lane int)
TEXT ·turnAVX2(SB), NOSPLIT, $0-40
	ARGS
	MOVQ srcStep+24(FP), R12
	MOVQ lane+32(FP), R8
	SHLQ $7, R8                // from place to place
	LEAQ (DI)(R8*1), BX        // the odd places
	ADDQ R8, R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	LEAQ (R9)(R8*4), R11
	LEAQ (R12)(R12*2), R13
	LEAQ (R12)(R12*4), AX
	LEAQ (R13)(R12*4), DX
	LEAQ (SI)(R12*8), R15

step:
	TURN8(SI, 0, DI, 0)
	TURN8(SI, 32, BX, 0)
	TURN8(R15, 0, DI, 32)
	TURN8(R15, 32, BX, 32)
	ADDQ $64, SI
	ADDQ $64, R15
	ADDQ $128, DI
	ADDQ $128, BX
	DECQ CX
	JNZ  step
	VZEROUPPER
	RET
