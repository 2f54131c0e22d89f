package script

import (
	"fmt"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/mathgrade"
)

type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// library is what a script may call: Starlark's own functions, metered, and json, rng, extract, math_equal.
func library() starlark.StringDict {
	lib := starlark.StringDict{
		opName: operation(opName, binary), augName: operation(augName, augment),
		madeName: one(madeName, made), attrName: one(attrName, metered),
		spreadName: one(spreadName, func(t *starlark.Thread, v starlark.Value) (starlark.Value, error) {
			n, err := length(v)
			if err != nil {
				return nil, err
			}
			return v, spend(t, 64*n)
		}),
		"rng":        starlark.NewBuiltin("rng", newRNG),
		"extract":    starlark.NewBuiltin("extract", extract),
		"math_equal": starlark.NewBuiltin("math_equal", mathEqual),
		"json": &starlarkstruct.Module{Name: "json", Members: starlark.StringDict{
			"encode": json.Module.Members["encode"], "decode": json.Module.Members["decode"]}},
	}
	for name, v := range starlark.Universe {
		if b, ok := v.(*starlark.Builtin); ok {
			lib[name] = guard(b)
		}
	}
	lib["getattr"] = starlark.NewBuiltin("getattr", func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		v, err := starlark.Universe["getattr"].(*starlark.Builtin).CallInternal(t, args, kwargs)
		if err != nil {
			return nil, err
		}
		return metered(t, v)
	})
	return lib
}

// guard makes a built-in function that checks its bounds before it runs.
func guard(b *starlark.Builtin) *starlark.Builtin {
	g := starlark.NewBuiltin(b.Name(), func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return method(t, b, args, kwargs)
	})
	if b.Receiver() != nil {
		return g.BindReceiver(b.Receiver())
	}
	return g
}

// metered is an attribute with its bounds checked, when it is a built-in function.
func metered(_ *starlark.Thread, v starlark.Value) (starlark.Value, error) {
	if b, ok := v.(*starlark.Builtin); ok {
		return guard(b), nil
	}
	return v, nil
}

func one(name string, f func(*starlark.Thread, starlark.Value) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return f(t, args[0])
	})
}

func operation(name string, f func(*starlark.Thread, syntax.Token, starlark.Value, starlark.Value) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return f(t, operators[string(args[0].(starlark.String))], args[1], args[2])
	})
}

// mathWork is the number of steps that one comparison of answers counts for.
const mathWork = 1 << 20

func extract(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &text); err != nil {
		return nil, err
	}
	work(t, 64*len(text))
	return made(t, starlark.String(mathgrade.Extract(text).Answer))
}

func mathEqual(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var pred, gold string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &pred, &gold); err != nil {
		return nil, err
	}
	work(t, mathWork)
	_, lenient, _, _ := mathgrade.Equal(pred, gold)
	return starlark.Bool(lenient), nil
}

// rng is a generator of random numbers: rng(seed) gives the same on every machine.
type rng struct {
	r      *task.Rand
	frozen bool
}

func newRNG(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	seed, stream := starlark.MakeInt(0), starlark.MakeInt(0)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seed", &seed, "stream?", &stream); err != nil {
		return nil, err
	}
	s, ok1 := seed.Uint64()
	k, ok2 := stream.Uint64()
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("rng: seed %v, stream %v: want whole numbers from 0 to 2^64-1", seed, stream)
	}
	return &rng{r: task.NewRand(s, k)}, nil
}

func (*rng) String() string        { return "rng" }
func (*rng) Type() string          { return "rng" }
func (g *rng) Freeze()             { g.frozen = true }
func (*rng) Truth() starlark.Bool  { return true }
func (*rng) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: rng") }

var rngMethods = map[string]builtin{"int": rngInt, "choice": rngChoice, "shuffle": rngShuffle, "sample": rngSample}

// Attr finds a method by name.
func (g *rng) Attr(name string) (starlark.Value, error) {
	if f, ok := rngMethods[name]; ok {
		return starlark.NewBuiltin("rng."+name, f).BindReceiver(g), nil
	}
	return nil, nil
}

// AttrNames lists the methods.
func (*rng) AttrNames() []string { return []string{"choice", "int", "sample", "shuffle"} }

func generator(b *starlark.Builtin) (*task.Rand, error) {
	g := b.Receiver().(*rng)
	if g.frozen {
		return nil, fmt.Errorf("%s: a global rng cannot be used inside a function; make one with rng(seed)", b.Name())
	}
	return g.r, nil
}

func rngInt(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var lo, hi int
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &lo, &hi); err != nil {
		return nil, err
	}
	if lo > hi || hi-lo < 0 || hi-lo+1 <= 0 {
		return nil, fmt.Errorf("%s: nothing lies between %d and %d", b.Name(), lo, hi)
	}
	r, err := generator(b)
	if err != nil {
		return nil, err
	}
	return starlark.MakeInt(r.Between(lo, hi)), nil
}

func rngChoice(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var from starlark.Indexable
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &from); err != nil {
		return nil, err
	}
	if from.Len() == 0 {
		return nil, fmt.Errorf("%s: nothing to choose from", b.Name())
	}
	r, err := generator(b)
	if err != nil {
		return nil, err
	}
	return from.Index(r.IntN(from.Len())), nil
}

func rngShuffle(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var from starlark.Indexable
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &from); err != nil {
		return nil, err
	}
	return pick(t, b, from, from.Len())
}

func rngSample(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var from starlark.Indexable
	var n int
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &from, &n); err != nil {
		return nil, err
	}
	if n < 0 || n > from.Len() {
		return nil, fmt.Errorf("%s: %d of %d elements", b.Name(), n, from.Len())
	}
	return pick(t, b, from, n)
}

// pick is a new list of n elements in random order.
func pick(t *starlark.Thread, b *starlark.Builtin, from starlark.Indexable, n int) (starlark.Value, error) {
	r, err := generator(b)
	if err != nil {
		return nil, err
	}
	if _, err := length(from); err != nil {
		return nil, err
	}
	if err := spend(t, 32*from.Len()); err != nil {
		return nil, err
	}
	out := make([]starlark.Value, n)
	for i, j := range r.Perm(from.Len())[:n] {
		out[i] = from.Index(j)
	}
	return starlark.NewList(out), nil
}
