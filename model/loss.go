package model

import (
	"github.com/pennyml/penny/kernel/vec"
)

// Row is a prediction: of position Pos of a sequence of the micro-batch, from the ids before it.
type Row struct {
	Seq   int   // number in the micro-batch
	Pos   int   // 1 or more
	Label int32 // what is to be predicted
	row   int   // of the micro-batch
}

// Loss is what is learnt.
type Loss interface {
	// Row turns the logits of a prediction into the gradient of the loss as to them, in place, and returns what the prediction adds to the loss.
	// Several goroutines call it at once, for different rows, in no order.
	Row(r Row, logits []float32) float32
}

// ChunkLoss is a Loss that wants to know which rows come next, so that it can prepare for them together.
type ChunkLoss interface {
	Loss
	// Chunk is called before the rows are handed to Row.
	Chunk(rows []Row) error
}

// visit is a Loss that only looks.
type visit func(r Row, logits []float32)

func (f visit) Row(r Row, logits []float32) float32 { f(r, logits); return 0 }

// CrossEntropy is Σ weight·(-log p(label) + ZLoss·lse²), lse the logarithm of the sum of the exponentials of the logits, which the second
// term keeps near 0 (PaLM).
type CrossEntropy struct {
	Weight  float32     // of each prediction: one by the number of predictions of the whole batch, for the mean
	Weights [][]float32 // by sequence and position, on top; nil: 1
	ZLoss   float32
}

// Row is of Loss.
func (c *CrossEntropy) Row(r Row, logits []float32) float32 {
	w := c.Weight
	if c.Weights != nil {
		w *= c.Weights[r.Seq][r.Pos]
	}
	label := logits[r.Label]
	sum, lse := vec.ExpSum(logits, logits)
	logprob, z := label-lse, float32(c.ZLoss*lse)
	vec.Scale(logits, logits, float32(w*float32(1+float32(2*z)))/sum)
	logits[r.Label] -= w
	return w * float32(float32(z*lse)-logprob)
}

// Policy is what an algorithm of reinforcement learning makes of the log-probabilities: it gives the derivative of its loss as to each.
type Policy struct {
	Credit  [][]float32 // dL/dlog p(label), by sequence and position
	Entropy float32     // the loss falls by so much for each nat of a prediction's entropy
}

// Row is of Loss. What it returns is the loss that has these derivatives and no constant part: Σ Credit·log p - Entropy·H.
func (c *Policy) Row(r Row, logits []float32) float32 {
	w, label := c.Credit[r.Seq][r.Pos], logits[r.Label]
	if c.Entropy == 0 {
		sum, lse := vec.ExpSum(logits, logits)
		vec.Scale(logits, logits, -w/sum)
		logits[r.Label] += w
		return w * float32(label-lse)
	}
	lse := vec.LogSumExp(logits)
	h := entropy(logits, lse)
	for i, v := range logits {
		lp := v - lse
		p := vec.Exp1(lp)
		logits[i] = float32(float32(c.Entropy*p)*float32(lp+h)) - float32(w*p)
	}
	logits[r.Label] += w
	return float32(w*float32(label-lse)) - float32(c.Entropy*h)
}

// entropy is that of the distribution, in nats.
func entropy(logits []float32, lse float32) float32 {
	var h float32
	for _, v := range logits {
		if p := vec.Exp1(v - lse); p > 0 {
			h -= float32(p * float32(v-lse))
		}
	}
	return h
}

// Distill is the divergence of the network's distribution from a teacher's, both at a temperature: Σ Weight·T²·KL. T² makes the gradient's size
// independent of it (Hinton et al. 2015).
type Distill struct {
	Weight      float32
	Temperature float32 // 0: 1
	Reverse     bool    // KL(network || teacher), which seeks the teacher's modes, in place of KL(teacher || network)

	// Teacher gives the teacher's logits for a row, len(logits) values that stay as they are while the row is worked on.
	Teacher func(r Row) []float32
	// Prepare, when not nil, is told which rows come next.
	Prepare func(rows []Row) error
}

// Chunk is of ChunkLoss.
func (c *Distill) Chunk(rows []Row) error {
	if c.Prepare == nil {
		return nil
	}
	return c.Prepare(rows)
}

// Row is of Loss.
func (c *Distill) Row(r Row, logits []float32) float32 {
	t, teacher := float32(1), c.Teacher(r)
	if c.Temperature != 0 && c.Temperature != 1 {
		t = c.Temperature
		vec.Scale(logits, logits, 1/t)
		scaled := make([]float32, len(teacher))
		vec.Scale(scaled, teacher, 1/t)
		teacher = scaled
	}
	zs, zt, w := vec.LogSumExp(logits), vec.LogSumExp(teacher), float32(c.Weight*t)
	var kl float32
	for i, v := range logits {
		own, its := v-zs, teacher[i]-zt
		if c.Reverse {
			own, its = its, own
		}
		if p := vec.Exp1(its); p > 0 {
			kl += float32(p * float32(its-own))
		}
	}
	for i, v := range logits {
		own, its := v-zs, teacher[i]-zt
		p := vec.Exp1(own)
		switch {
		case !c.Reverse:
			logits[i] = w * float32(p-vec.Exp1(its))
		case p > 0:
			logits[i] = float32(w*p) * float32(float32(own-its)-kl)
		default:
			logits[i] = 0
		}
	}
	return float32(w*t) * kl
}
