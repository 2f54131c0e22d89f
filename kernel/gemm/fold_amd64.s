#include "textflag.h"

DATA nan<>+0(SB)/4, $0x7FC00000
GLOBL nan<>(SB), RODATA|NOPTR, $4

// Y0 to Y3 hold the 8 sums l[i] + l[i+8] of four outputs; what is left of fold16 puts the outputs in X0, a NaN made the one NaN of X15.
#define FOLD8 \
	VPERM2F128   $0x20, Y1, Y0, Y4; \
	VPERM2F128   $0x31, Y1, Y0, Y5; \
	VPERM2F128   $0x20, Y3, Y2, Y6; \
	VPERM2F128   $0x31, Y3, Y2, Y7; \
	VADDPS       Y5, Y4, Y4;        \
	VADDPS       Y7, Y6, Y6;        \
	VUNPCKLPD    Y6, Y4, Y5;        \
	VUNPCKHPD    Y6, Y4, Y7;        \
	VADDPS       Y7, Y5, Y5;        \
	VSHUFPS      $0x88, Y5, Y5, Y4; \
	VSHUFPS      $0xDD, Y5, Y5, Y6; \
	VADDPS       Y6, Y4, Y4;        \
	VEXTRACTF128 $1, Y4, X5;        \
	VUNPCKLPS    X5, X4, X0;        \
	VCMPPS       $3, X0, X0, X1;    \
	VBLENDVPS    X1, X15, X0, X0

// func foldAVX2(dst, lanes unsafe.Pointer, groups int)
TEXT ·foldAVX2(SB), NOSPLIT, $0-24
	MOVQ         dst+0(FP), DI
	MOVQ         lanes+8(FP), SI
	MOVQ         groups+16(FP), CX
	VBROADCASTSS nan<>(SB), X15

group:
	VMOVUPS (SI), Y0
	VMOVUPS 64(SI), Y1
	VMOVUPS 128(SI), Y2
	VMOVUPS 192(SI), Y3
	VADDPS  32(SI), Y0, Y0
	VADDPS  96(SI), Y1, Y1
	VADDPS  160(SI), Y2, Y2
	VADDPS  224(SI), Y3, Y3
	FOLD8
	VMOVUPS X0, (DI)
	ADDQ    $256, SI
	ADDQ    $16, DI
	DECQ    CX
	JNZ     group
	VZEROUPPER
	RET

// func scaleAddAVX2(outer, inner, scale unsafe.Pointer, n, cont int)
TEXT ·scaleAddAVX2(SB), NOSPLIT, $0-40
	MOVQ outer+0(FP), DI
	MOVQ inner+8(FP), SI
	MOVQ scale+16(FP), DX
	MOVQ n+24(FP), CX
	CMPQ cont+32(FP), $0
	JNE  next

first:
	VXORPS       Y1, Y1, Y1
	VXORPS       Y2, Y2, Y2
	VBROADCASTSS (DX), Y0
	VFMADD231PS  (SI), Y0, Y1
	VFMADD231PS  32(SI), Y0, Y2
	VMOVUPS      Y1, (DI)
	VMOVUPS      Y2, 32(DI)
	ADDQ         $64, DI
	ADDQ         $64, SI
	ADDQ         $4, DX
	DECQ         CX
	JNZ          first
	VZEROUPPER
	RET

next:
	VMOVUPS      (DI), Y1
	VMOVUPS      32(DI), Y2
	VBROADCASTSS (DX), Y0
	VFMADD231PS  (SI), Y0, Y1
	VFMADD231PS  32(SI), Y0, Y2
	VMOVUPS      Y1, (DI)
	VMOVUPS      Y2, 32(DI)
	ADDQ         $64, DI
	ADDQ         $64, SI
	ADDQ         $4, DX
	DECQ         CX
	JNZ          next
	VZEROUPPER
	RET
