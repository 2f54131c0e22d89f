package task

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Options are the settings of a task, written as in "countdown:operands=4,max=50". Readers take what they know; Done then complains about
// what nobody knew, and about the first value out of range.
type Options struct {
	task   string
	values map[string]string
	known  []string
	err    error
}

// ParseSpec splits "name:key=value,key=value". A comma inside a value is written \,.
func ParseSpec(spec string) (name string, o *Options, err error) {
	name, rest, found := strings.Cut(spec, ":")
	o = &Options{task: name, values: map[string]string{}}
	if name == "" {
		return "", nil, fmt.Errorf("task %q: no name", spec)
	}
	if !found || rest == "" {
		return name, o, nil
	}
	const escaped = "\x00"
	for _, s := range strings.Split(strings.ReplaceAll(rest, `\,`, escaped), ",") {
		k, v, ok := strings.Cut(strings.ReplaceAll(s, escaped, ","), "=")
		if !ok || k == "" {
			return "", nil, fmt.Errorf("task %q: %q: want key=value", spec, s)
		}
		if _, twice := o.values[k]; twice {
			return "", nil, fmt.Errorf("task %q: option %q twice", spec, k)
		}
		o.values[k] = v
	}
	return name, o, nil
}

func (o *Options) take(key string) (string, bool) {
	o.known = append(o.known, key)
	v, ok := o.values[key]
	return v, ok
}

func (o *Options) fail(key, value, want string) {
	if o.err == nil {
		o.err = fmt.Errorf("task %s: option %s=%s: want %s", o.task, key, value, want)
	}
}

// Int is a whole number in lo..hi.
func (o *Options) Int(key string, def, lo, hi int) int {
	s, ok := o.take(key)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < lo || n > hi {
		o.fail(key, s, fmt.Sprintf("a whole number from %d to %d", lo, hi))
		return def
	}
	return n
}

// Range is "n" or "n-m" with lo <= n <= m <= hi.
func (o *Options) Range(key string, def [2]int, lo, hi int) [2]int {
	s, ok := o.take(key)
	if !ok {
		return def
	}
	a, b, two := strings.Cut(s, "-")
	if !two {
		b = a
	}
	n, err1 := strconv.Atoi(a)
	m, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || n < lo || m > hi || n > m {
		o.fail(key, s, fmt.Sprintf("a number or a range n-m from %d to %d", lo, hi))
		return def
	}
	return [2]int{n, m}
}

// Float is a number in lo..hi.
func (o *Options) Float(key string, def, lo, hi float64) float64 {
	s, ok := o.take(key)
	if !ok {
		return def
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || !(x >= lo && x <= hi) {
		o.fail(key, s, fmt.Sprintf("a number from %g to %g", lo, hi))
		return def
	}
	return x
}

// Choice is one of the values listed; the first is the default.
func (o *Options) Choice(key string, values ...string) string {
	s, ok := o.take(key)
	if !ok {
		return values[0]
	}
	if !slices.Contains(values, s) {
		o.fail(key, s, "one of "+strings.Join(values, ", "))
		return values[0]
	}
	return s
}

// String is any text.
func (o *Options) String(key, def string) string {
	if s, ok := o.take(key); ok {
		return s
	}
	return def
}

// Letters is a non-empty selection of the characters of all, each at most once; all by default.
func (o *Options) Letters(key, def, all string) string {
	s, ok := o.take(key)
	if !ok {
		return def
	}
	for i, c := range s {
		if !strings.ContainsRune(all, c) || strings.ContainsRune(s[:i], c) {
			o.fail(key, s, "some of "+all)
			return def
		}
	}
	if s == "" {
		o.fail(key, s, "some of "+all)
		return def
	}
	return s
}

// Done is the first error among the options, unknown ones included.
func (o *Options) Done() error {
	if o.err != nil {
		return o.err
	}
	var unknown []string
	for k := range o.values {
		if !slices.Contains(o.known, k) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	slices.Sort(o.known)
	return fmt.Errorf("task %s: no option %s; it has %s", o.task, strings.Join(unknown, ", "), strings.Join(slices.Compact(o.known), ", "))
}
