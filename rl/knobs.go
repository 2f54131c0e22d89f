package rl

import (
	"fmt"
	"reflect"
	"strings"
)

// Knobs are the parameters of all algorithms, by their published names; what is not set has the algorithm's own default, and what an algorithm does
// not have cannot be set.
type Knobs struct {
	EpsilonLow  *float64 `yaml:"epsilon_low"`
	EpsilonHigh *float64 `yaml:"epsilon_high"`
	DualClip    *float64 `yaml:"dual_clip"`
	Scale       *Scale   `yaml:"scale"`
	Population  *bool    `yaml:"population"`
	Eps         *float64 `yaml:"eps"`
	MaxLength   *int     `yaml:"max_length"`
	Beta        *float64 `yaml:"beta"`
	Baseline    *bool    `yaml:"baseline"`
	Gamma       *float64 `yaml:"gamma"`
	Lambda      *float64 `yaml:"lambda"`
	ValueClip   *float64 `yaml:"value_clip"`
	ValueCoef   *float64 `yaml:"value_coef"`
}

// turn sets the parameters of an algorithm that are given.
func (k Knobs) turn(name string, a Algorithm) error {
	fields := map[string]reflect.Value{}
	parameters(reflect.ValueOf(a).Elem(), fields)
	v := reflect.ValueOf(k)
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("yaml")
		if v.Field(i).IsNil() {
			continue
		}
		f, ok := fields[key]
		if !ok {
			return fmt.Errorf("rl: %s has no %s", name, key)
		}
		f.Set(v.Field(i).Elem())
	}
	return nil
}

// parameters lists the fields of an algorithm by key, those of embedded structs too.
func parameters(v reflect.Value, to map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			parameters(v.Field(i), to)
		} else if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); key != "" {
			to[key] = v.Field(i)
		}
	}
}

// Set is a pointer to a value, for Knobs.
func Set[T any](v T) *T { return &v }
