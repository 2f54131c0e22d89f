package qdot

import "unsafe"

// panelBudget is how much memory the panels of one pass over the activations may take: they stay in the second-level cache.
const panelBudget = 384 << 10

// matrix is the product with several rows of activations. Some panels are unpacked, then tile after tile of activations passes over all of them.
func (p *product) matrix(n0, n1 int) {
	blocks := p.a.blocks()
	size := blocks * p.record
	count := min(max(panelBudget/size, 1), (n1-n0+panelRows-1)/panelRows)
	panels, sums := aligned(&p.s.panels, count*size), p.sums()
	for n := n0; n < n1; n += count * panelRows {
		end := min(n+count*panelRows, n1)
		for i, at := 0, n; at < end; i, at = i+1, at+panelRows {
			p.unpackPanel((*byte)(unsafe.Add(unsafe.Pointer(panels), i*size)), at, n1)
		}
		for m := 0; m < p.a.m; {
			cols := p.tile(p.a.m - m)
			for i, at := 0, n; at < end; i, at = i+1, at+panelRows {
				p.gemmTile(sums, (*byte)(unsafe.Add(unsafe.Pointer(panels), i*size)), m, cols, at, n1)
			}
			m += cols
		}
	}
}

func (p *product) sums() *float32 {
	return (*float32)(unsafe.Pointer(aligned(&p.s.sums, len(p.gemm)*8*panelRows*4)))
}

// tile is the largest number of columns, up to left, that there is a kernel for.
func (p *product) tile(left int) int {
	c := min(left, len(p.gemm)-1)
	for p.gemm[c] == nil {
		c--
	}
	return c
}

func (p *product) unpackPanel(panel *byte, n, n1 int) {
	w, ahead := p.panel(n, n1)
	work := aligned(&p.s.work, workBytes)
	for r := 0; r < panelRows; r += p.rows {
		at := r * p.stride
		p.unpack((*byte)(unsafe.Add(unsafe.Pointer(panel), 4*r)), &w[at], p.stride, p.a.blocks(), &ahead[at], work)
	}
}

func (p *product) gemmTile(sums *float32, panel *byte, m, cols, n, n1 int) {
	a, keep := p.a, 0
	if a.form == Block32 && a.blocks() < 8 { // not every lane is met
		clear(unsafe.Slice(sums, 8*cols*panelRows))
		keep = -1
	}
	p.gemm[cols](sums, panel, &a.buf[a.at(m, 0)], a.group(), a.step(), a.blocks(), keep, p.offset)
	if n+panelRows <= n1 {
		p.finish(&p.y[m*p.ldy+n], p.ldy, sums, cols)
		return
	}
	p.finish(&p.s.out[0], panelRows, sums, cols)
	p.copyOut(m, cols, n, n1)
}
