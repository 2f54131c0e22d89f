#include "textflag.h"

// Rounding of activations with AVX2, which the AVX-512 level uses too: 256-bit registers hold what there is to do.

DATA quantOrder<>+0(SB)/8, $0x0000000400000000
DATA quantOrder<>+8(SB)/8, $0x0000000500000001
DATA quantOrder<>+16(SB)/8, $0x0000000600000002
DATA quantOrder<>+24(SB)/8, $0x0000000700000003
GLOBL quantOrder<>(SB), RODATA|NOPTR, $32

// Words T0 T1 T2 T3 to T0 T2 T1 T3, in each half.
DATA quantPairs<>+0(SB)/8, $0x0706030205040100
DATA quantPairs<>+8(SB)/8, $0x0F0E0B0A0D0C0908
GLOBL quantPairs<>(SB), RODATA|NOPTR, $16

#define CONST(bits, x, y) \
	MOVL $bits, AX; \
	VMOVD AX, x; \
	VPBROADCASTD x, y

// The largest of Y0..Y3 without their signs, lane by lane, and of what is in out: the order of floats is that of their bits.
#define LARGEST(out) \
	VPAND Y15, Y0, Y0; \
	VPAND Y15, Y1, Y1; \
	VPAND Y15, Y2, Y2; \
	VPAND Y15, Y3, Y3; \
	VPMAXUD Y1, Y0, Y0; \
	VPMAXUD Y3, Y2, Y2; \
	VPMAXUD Y2, Y0, Y0; \
	VPMAXUD Y0, out, out

// From the largest magnitudes in Y4: X7 = the scale d, Y6 = its inverse, Y5 = ones where the inverse is 0 and so are the codes.
#define SCALES \
	VEXTRACTI128 $1, Y4, X5; \
	VPMAXUD X5, X4, X4; \
	VPSHUFD $0x4E, X4, X5; \
	VPMAXUD X5, X4, X4; \
	VPSHUFD $0xB1, X4, X5; \
	VPMAXUD X5, X4, X4; \
	VDIVSS X4, X11, X6; \
	VDIVSS X11, X4, X7; \
	VPCMPGTD X10, X4, X8; \
	VBLENDVPS X8, X9, X7, X7; \
	VPCMPGTD X10, X6, X5; \
	VPOR X8, X5, X5; \
	VPANDN X6, X5, X6; \
	VPBROADCASTD X6, Y6; \
	VPXOR X5, X5, X5; \
	VPCMPEQD Y5, Y6, Y5

// Y0 = 32 codes of the activations in Y0..Y3.
#define CODES \
	VMULPS Y6, Y0, Y0; \
	VMULPS Y6, Y1, Y1; \
	VMULPS Y6, Y2, Y2; \
	VMULPS Y6, Y3, Y3; \
	VCVTPS2DQ Y0, Y0; \
	VCVTPS2DQ Y1, Y1; \
	VCVTPS2DQ Y2, Y2; \
	VCVTPS2DQ Y3, Y3; \
	VPACKSSDW Y1, Y0, Y0; \
	VPACKSSDW Y3, Y2, Y2; \
	VPANDN Y0, Y5, Y0; \
	VPANDN Y2, Y5, Y2; \
	VPACKSSWB Y2, Y0, Y0; \
	VPERMD Y0, Y12, Y0

#define LOAD(off) \
	VMOVUPS off(SI), Y0; \
	VMOVUPS off+32(SI), Y1; \
	VMOVUPS off+64(SI), Y2; \
	VMOVUPS off+96(SI), Y3

#define PREPARE \
	CONST(0x7FFFFFFF, X15, Y15); \
	CONST(0x01010101, X14, Y14); \
	CONST(0x00010001, X13, Y13); \
	CONST(0x42FE0000, X11, Y11); \
	CONST(0x7F7FFFFF, X10, Y10); \
	CONST(0x7FC00000, X9, Y9); \
	VMOVDQU quantOrder<>(SB), Y12

// func quantize32AVX2(rec *byte, step int, x *float32, blocks int)
TEXT ·quantize32AVX2(SB), NOSPLIT, $0-32
	MOVQ rec+0(FP), DI
	MOVQ step+8(FP), BX
	MOVQ x+16(FP), SI
	MOVQ blocks+24(FP), CX
	PREPARE

block:
	LOAD(0)
	VPXOR X4, X4, X4
	LARGEST(Y4)
	SCALES
	LOAD(0)
	CODES
	VMOVDQU Y0, (DI)
	VMOVSS X7, 32(DI)
	VPMADDUBSW Y0, Y14, Y1
	VPMADDWD Y13, Y1, Y1
	VEXTRACTI128 $1, Y1, X2
	VPADDD X2, X1, X1
	VPSHUFD $0x4E, X1, X2
	VPADDD X2, X1, X1
	VPSHUFD $0xB1, X1, X2
	VPADDD X2, X1, X1
	VPXOR X2, X2, X2
	VPSUBD X1, X2, X2
	VMOVD X2, 36(DI)
	VCVTDQ2PS X1, X1
	VMULSS X7, X1, X1
	VCMPSS $3, X1, X1, X2
	VBLENDVPS X2, X9, X1, X1
	VMOVSS X1, 40(DI)
	ADDQ BX, DI
	ADDQ $128, SI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// Codes of 32 activations to memory, sums of four of them to out.
#define PART(i, out) \
	LOAD(128*i) \
	CODES; \
	VMOVDQU Y0, 32*i(DI); \
	VPMADDUBSW Y0, Y14, out; \
	VPMADDWD Y13, out, out

// Sums inside the halves of four registers, to the first: its dwords, in each half.
#define SUMS(a, b, c, d) \
	VPHADDD b, a, a; \
	VPHADDD d, c, c; \
	VPHADDD c, a, a

// func quantize256AVX2(rec *byte, step int, x *float32, blocks int)
TEXT ·quantize256AVX2(SB), NOSPLIT, $0-32
	MOVQ rec+0(FP), DI
	MOVQ step+8(FP), BX
	MOVQ x+16(FP), SI
	MOVQ blocks+24(FP), CX

block:
	PREPARE
	VPXOR X4, X4, X4
	MOVL $8, DX

largest:
	LOAD(0)
	LARGEST(Y4)
	ADDQ $128, SI
	DECL DX
	JNZ largest
	SUBQ $1024, SI
	SCALES
	VMOVSS X7, 304(DI)
	PART(0, Y7)
	PART(1, Y8)
	PART(2, Y9)
	PART(3, Y10)
	SUMS(Y7, Y8, Y9, Y10)
	PART(4, Y8)
	PART(5, Y9)
	PART(6, Y10)
	PART(7, Y11)
	SUMS(Y8, Y9, Y10, Y11)

	// Even sums stand in the lower half, odd ones in the upper.
	VPACKSSDW Y8, Y7, Y7
	VEXTRACTI128 $1, Y7, X8
	VPUNPCKLDQ X8, X7, X0
	VPUNPCKHDQ X8, X7, X1
	VMOVDQU X0, 256(DI)
	VMOVDQU X1, 272(DI)
	VPADDW X8, X7, X7
	VPSHUFB quantPairs<>(SB), X7, X7
	VMOVDQU X7, 288(DI)
	ADDQ BX, DI
	ADDQ $1024, SI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET
