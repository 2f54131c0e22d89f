package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/pennyml/penny/task"
)

const wantVerdict = `True, False, a number from 0 to 1, (number, "reason"), or a dict with "reward" or "parts"`

// verdict reads what grade returned.
func (t *Task) verdict(v starlark.Value) (task.Verdict, error) {
	out := task.Verdict{Stage: "script"}
	switch v := v.(type) {
	case starlark.Tuple:
		if len(v) != 2 {
			return out, fmt.Errorf("%v: grade returned a tuple of %d: want %s", t.fn["grade"].Position(), len(v), wantVerdict)
		}
		reason, ok := starlark.AsString(v[1])
		if !ok {
			return out, t.returned("grade", v, `(number, "reason")`)
		}
		out.Reason = reason
		return t.plain(out, v[0])
	case *starlark.Dict:
		return t.detailed(out, v)
	}
	return t.plain(out, v)
}

// plain finishes a verdict with one reward.
func (t *Task) plain(out task.Verdict, v starlark.Value) (task.Verdict, error) {
	r, ok := starlark.AsFloat(v)
	if b, is := v.(starlark.Bool); is {
		if r, ok = 0, true; b {
			r = 1
		}
	}
	if !ok {
		return out, t.returned("grade", v, wantVerdict)
	}
	if !(r >= 0 && r <= 1) {
		return out, fmt.Errorf("%v: grade returned the reward %v: want a number from 0 to 1", t.fn["grade"].Position(), v)
	}
	out, err := task.Graded(out, "", task.Part{Name: "script", Weight: 1, Value: r, Reason: out.Reason})
	return finish(out), err
}

func finish(out task.Verdict) task.Verdict {
	out.Right = out.Reward == 1
	out.Strict, out.Lenient = out.Right, out.Right
	if out.Reason == "" {
		out.Reason = fmt.Sprintf("the script gives %g", out.Reward)
	}
	return out
}

// detailed finishes a verdict given as a dict.
func (t *Task) detailed(out task.Verdict, d *starlark.Dict) (task.Verdict, error) {
	var reward starlark.Value
	var parts *starlark.Dict
	gate := ""
	for k, v := range d.Entries() {
		key, _ := starlark.AsString(k)
		text, isText := starlark.AsString(v)
		ok := isText
		switch key {
		case "reason":
			out.Reason = text
		case "extracted":
			out.Extracted = text
		case "gate":
			gate = text
		case "reward":
			reward, ok = v, true
		case "parts":
			parts, ok = v.(*starlark.Dict)
		default:
			return out, fmt.Errorf("%v: grade returned a dict with %v: want \"reward\" or \"parts\" with \"gate\", \"reason\", \"extracted\"", t.fn["grade"].Position(), k)
		}
		if !ok {
			return out, fmt.Errorf("%v: grade returned %q: a %s", t.fn["grade"].Position(), key, v.Type())
		}
	}
	if (reward == nil) == (parts == nil) {
		return out, fmt.Errorf("%v: grade returned a dict with both or neither of \"reward\" and \"parts\"", t.fn["grade"].Position())
	}
	if reward != nil {
		return t.plain(out, reward)
	}
	return t.parts(out, parts, gate)
}

func (t *Task) parts(out task.Verdict, d *starlark.Dict, gate string) (task.Verdict, error) {
	var list []task.Part
	for k, v := range d.Entries() {
		name, ok1 := starlark.AsString(k)
		pair, ok2 := v.(starlark.Tuple)
		if !ok1 || !ok2 || len(pair) != 2 {
			return out, fmt.Errorf("%v: grade returned the part %v: %v: want {name: (weight, value)}", t.fn["grade"].Position(), k, v.Type())
		}
		w, ok1 := starlark.AsFloat(pair[0])
		x, ok2 := starlark.AsFloat(pair[1])
		if b, is := pair[1].(starlark.Bool); is {
			if x, ok2 = 0, true; b {
				x = 1
			}
		}
		if !ok1 || !ok2 {
			return out, fmt.Errorf("%v: grade returned the part %s: (%s, %s): want two numbers", t.fn["grade"].Position(), name, pair[0].Type(), pair[1].Type())
		}
		list = append(list, task.Part{Name: strings.Clone(name), Weight: w, Value: x})
	}
	out, err := task.Graded(out, gate, list...)
	if err != nil {
		return out, fmt.Errorf("%v: grade returned: %w", t.fn["grade"].Position(), err)
	}
	return finish(out), nil
}
