package qdot

import "unsafe"

// panelBudget is how much memory the panels of one pass over the activations may take: they stay in the second-level cache.
const panelBudget = 384 << 10

// matrix is the product with several rows of activations. Some panels are unpacked, then tile after tile of activations passes over all of them.
func (p *product) matrix(n0, n1 int) {
	blocks := p.a.blocks()
	size := blocks * p.record
	count := min(max(panelBudget/size, 1), (n1-n0+panelRows-1)/panelRows)
	panels := aligned(&p.s.panels, count*size)
	for n := n0; n < n1; n += count * panelRows {
		end := min(n+count*panelRows, n1)
		for i, at := 0, n; at < end; i, at = i+1, at+panelRows {
			p.unpackPanel((*byte)(unsafe.Add(unsafe.Pointer(panels), i*size)), at, n1)
		}
		for m := 0; m < p.a.m; {
			cols := atMost(p.gemm, p.a.m-m)
			for i, at := 0, n; at < end; i, at = i+1, at+panelRows {
				p.gemmTile((*byte)(unsafe.Add(unsafe.Pointer(panels), i*size)), m, cols, at, n1)
			}
			m += cols
		}
	}
}

func (p *product) unpackPanel(panel *byte, n, n1 int) {
	w, ahead := p.panel(n, n1)
	for r := 0; r < panelRows; r += p.rows {
		at := r * p.stride
		p.unpack((*byte)(unsafe.Add(unsafe.Pointer(panel), 4*r)), &w[at], p.stride, p.a.blocks(), &ahead[at])
	}
}

func (p *product) gemmTile(panel *byte, m, cols, n, n1 int) {
	y, ldy := p.s.out[:], panelRows
	if n+panelRows <= n1 {
		y, ldy = p.y[m*p.ldy+n:], p.ldy
	}
	a := p.a
	p.gemm[cols](&y[0], ldy, panel, &a.buf[a.at(m, 0)], a.group(), a.step(), a.blocks(), p.offset)
	if n+panelRows > n1 {
		p.copyOut(m, cols, n, n1)
	}
}
