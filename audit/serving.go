package audit

import (
	"fmt"
	"io"
	"math"
)

// Service is how a model is served. Zero values are chosen: a batch of 64 sequences, 4,096 tokens each, one byte a weight, the fewest
// accelerators that hold the weights.
type Service struct {
	Batch, Context, GPUs int
	WeightBytes          float64
}

const cacheBytes = 2 // of one cached value

var serving = []Rule{
	{"decode_flop", "compute of an output token", "GFLOP/token", []string{"2[FLOP/param/token]*active"}, "attention left out: the architecture is not known"},
	{"step_flop", "compute of a step", "TFLOP", []string{"decode_flop*batch"}, ""},
	{"step_bytes", "bytes read in a step", "GB", []string{"touched*weight_bytes+cache_token*context*batch/1[token]"}, ""},
	{"compute_time", "time by compute", "s", []string{"step_flop/(servers*peak*decode_efficiency)"}, ""},
	{"memory_time", "time by memory", "s", []string{"step_bytes/(servers/1[GPU]*bandwidth*decode_efficiency)"}, ""},
	{"step_time", "time of a step", "s", []string{"max(compute_time,memory_time)"}, ""},
	{"speed", "output tokens a second", "tokens/s", []string{"batch/step_time"}, ""},
	{"decode_price", "a million output tokens", "$/Mtoken", []string{"servers*rental/speed"}, ""},
	{"decode_joules", "an output token", "J/token", []string{"servers*watts/speed"}, ""},
	{"prefill_price", "a million input tokens", "$/Mtoken", []string{"2[FLOP/param/token]*active/(peak*decode_efficiency)*rental"}, ""},
}

// Serve adds the figures of serving a claim's model by the roofline: a step takes as long as its arithmetic or its reading of memory,
// whichever is longer, over the share of the roofs that serving reaches.
func (r *Report) Serve(sv Service) error {
	s := r.Sheet
	if r.Part == nil {
		return fmt.Errorf("serving %s: no hardware; say --gpu", r.Claim.ID)
	}
	if !s.Has("active") {
		return fmt.Errorf("serving %s: its parameters are not known", r.Claim.ID)
	}
	if !s.Has("params") {
		f := *s.Get("active")
		f.ID = "params"
		s.Put(&f)
	}
	if sv.Batch <= 0 {
		sv.Batch = 64
	}
	if sv.Context <= 0 {
		sv.Context = 4096
	}
	if sv.WeightBytes <= 0 {
		sv.WeightBytes = 1
	}
	memory, bandwidth := r.Part.figure("memory", "memory"), r.Part.figure("bandwidth", "memory bandwidth of "+r.Part.Name)
	if bandwidth == nil || !s.Has("peak") {
		return fmt.Errorf("serving %s: bandwidth or peak of %s is not known", r.Claim.ID, r.Part.Name)
	}
	s.Put(bandwidth)
	if sv.GPUs <= 0 {
		sv.GPUs = 1
		if memory != nil {
			sv.GPUs = int(math.Ceil(s.Get("params").Central * sv.WeightBytes / (0.8 * memory.Central)))
		}
	}
	r.putService(sv)
	return s.Apply(serving)
}

// putService puts the leaves of the roofline into the sheet.
func (r *Report) putService(sv Service) {
	s := r.Sheet
	put := func(id, title, unit string, v Range, dim Dim, source string) {
		s.Put(&Figure{ID: id, Title: title, Value: Value{v, dim}, Unit: unit, Standing: Assumed, Source: source})
	}
	token, perParam := base(dimToken), base(dimByte).minus(base(dimParam))
	put("batch", "sequences in a batch, a token each a step", "tokens", Sharp(float64(sv.Batch)), token, "given")
	put("context", "tokens before it", "tokens", Sharp(float64(sv.Context)), token, "given")
	put("servers", "accelerators serving", "GPUs", Sharp(float64(sv.GPUs)), base(dimDevice), "given")
	put("weight_bytes", "bytes of a weight", "B/param", Sharp(sv.WeightBytes), perParam, "given")
	params, active := s.Get("params").Central, s.Get("active").Central
	share := 1 - math.Pow(1-min(1, active/params), float64(sv.Batch)) // every token picks its share of the weights
	put("touched", "weights that a batch touches", "params", Sharp(params*share), base(dimParam), "derived")
	if r.config == nil {
		put("cache_token", "cache of a token", "B/token", Range{30e3, 160e3, 516e3}, base(dimByte).minus(token), "isca")
		return
	}
	put("cache_token", "cache of a token", "B/token", Sharp(float64(r.config.CacheElements()*cacheBytes)), base(dimByte).minus(token), "from the architecture")
	put("decode_flop", "compute of an output token", "GFLOP/token", Sharp(float64(r.config.FLOPs(sv.Context))), base(dimFLOP).minus(token), "from the architecture")
}

// ServeText writes the figures of serving.
func (r *Report) ServeText(w io.Writer, screen Screen) error {
	p := &textPage{Screen: screen.Fit()}
	p.add(0, wrap("serving "+r.Claim.Name+" on "+r.Part.Name+":", p.Width)...)
	r.textFigures(p, 0, []label{{"batch", "batch"}, {"context", "context"}, {"on", "servers"}, {"compute", "decode_flop"}, {"weights read", "touched"}, {"bytes a step", "step_bytes"},
		{"by compute", "compute_time"}, {"by memory", "memory_time"}, {"speed", "speed"}, {"output", "decode_price"}, {"input", "prefill_price"}, {"energy", "decode_joules"}})
	return p.write(w)
}
