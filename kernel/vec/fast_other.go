package vec

func addFast(dst, a, b []float32) int                               { return 0 }
func mulFast(dst, a, b []float32) int                               { return 0 }
func scaleFast(dst, x []float32, s float32) int                     { return 0 }
func axpyFast(acc, x []float32, w float32) int                      { return 0 }
func expFast(dst, x []float32) int                                  { return 0 }
func sigmoidFast(dst, x []float32) int                              { return 0 }
func swigluFast(dst, gate, up []float32) int                        { return 0 }
func dotFast(l *[lanes]float32, x, y []float32) int                 { return 0 }
func sumFast(l *[lanes]float32, x []float32) int                    { return 0 }
func maxFast(m *float32, x []float32) int                           { return 0 }
func expSumFast(l *[lanes]float32, dst, x []float32, m float32) int { return 0 }
func expSumOnlyFast(l *[lanes]float32, x []float32, m float32) int  { return 0 }
func divFast(dst []float32, s float32) int                          { return 0 }
func scaleMulFast(dst, x, w []float32, r float32) int               { return 0 }
func ropeHalvesFast(lo, hi, cos, sin []float32) int                 { return 0 }
func ropeAdjacentFast(x, cos, sin []float32) int                    { return 0 }
func f32ToF16Fast(dst []uint16, src []float32) int                  { return 0 }
func f16ToF32Fast(dst []float32, src []uint16) int                  { return 0 }
func f32ToBF16Fast(dst []uint16, src []float32) int                 { return 0 }
func bf16ToF32Fast(dst []float32, src []uint16) int                 { return 0 }
