package train

import (
	"slices"

	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/train/data"
)

// Formula says how operations are derived, for receipts.
const Formula = "A multiply-add is two operations. Forward: products with weights, active experts only, the head where something is predicted, and attention's scores and " +
	"weighted sums over the positions that each row sees; norms, softmax, rotary embedding and look-ups are left out. Training: three times the forward, two where only " +
	"LoRA's additions learn (and three times those); once more where layers are run a second time to save memory. Of the " +
	"optimisers' updates Muon's products."

// costs are the operations of a network's parts, forward.
type costs struct {
	row, key, head int64 // a row without the head, each position that it sees, the head
	module         struct {
		row, key int64 // the same of the multi-token prediction module
	}
	adapters int64 // of a row, what LoRA adds
	trained  int64 // how many times the forward training is
}

// costsOf are those of a network c of which all learns, or, where there are any, adapters alone.
func costsOf(c *model.Config, recompute, lora bool, adapters []*grad.Param) costs {
	k := costs{head: 2 * int64(c.Vocab) * int64(c.Hidden), trained: 3}
	if lora {
		k.trained = 2
		for _, p := range adapters {
			k.adapters += 2 * int64(p.Len())
		}
	}
	k.key = c.FLOPs(1) - c.FLOPs(0)
	k.row = c.FLOPs(0) - k.head - k.key // FLOPs counts the row's own position
	if recompute {
		k.trained++
	}
	if c.MTP > 0 {
		longer, moe := *c, *c.MoE
		longer.MoE, longer.Layers = &moe, c.Layers+1
		moe.Sparse = append(slices.Clone(c.MoE.Sparse), true)
		k.module.key = longer.FLOPs(1) - longer.FLOPs(0) - k.key
		k.module.row = longer.FLOPs(0) - c.FLOPs(0) - k.module.key + 4*int64(c.Hidden)*int64(c.Hidden)
	}
	return k
}

// sequence is the forward pass over a sequence: all ids but the last are rows, row t sees t+1 positions, and the head takes part where something is
// learnt. With modules the multi-token prediction takes part, over one row less.
func (k *costs) sequence(ids, learnt int, modules bool) int64 {
	n := int64(max(ids-1, 0))
	flops := n*k.row + n*(n+1)/2*k.key + int64(learnt)*k.head
	if modules && n > 1 {
		n--
		flops += n*k.module.row + n*(n+1)/2*k.module.key + int64(learnt)*k.head
	}
	return flops
}

// rows adds up the sequences of some rows that something is learnt of.
func (k *costs) rows(rows []data.Row, modules bool) (flops int64) {
	for _, r := range rows {
		for _, s := range r {
			if learnt := s.Learnt(); learnt > 0 {
				flops += k.sequence(len(s.IDs), learnt, modules)
			}
		}
	}
	return flops
}

// training is learning from some rows.
func (k *costs) training(rows []data.Row, modules bool) int64 {
	return k.trained*k.rows(rows, modules) + 3*k.adapters*positions(rows)
}

// Cost is the arithmetic of a network's passes over single sequences, by the same formula.
type Cost struct{ costs }

// CostOf is that of a network c of which all learns, or, with lora, adapters alone; layers are run twice or not.
func CostOf(c *model.Config, recompute, lora bool, adapters []*grad.Param) Cost {
	return Cost{costsOf(c, recompute, lora, adapters)}
}

// Forward is a forward pass over so many ids, with logits at learnt of them.
func (c Cost) Forward(ids, learnt int) int64 { return c.sequence(ids, learnt, false) }

// Learn is a pass forward and back.
func (c Cost) Learn(ids, learnt int) int64 {
	return c.trained*c.sequence(ids, learnt, false) + 3*c.adapters*int64(ids-1)
}

// positions is how many rows of the network a batch is.
func positions(rows []data.Row) (n int64) {
	for _, r := range rows {
		for _, s := range r {
			if s.Learnt() > 0 {
				n += int64(len(s.IDs) - 1)
			}
		}
	}
	return n
}
