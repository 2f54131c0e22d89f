//go:build unix

package engine

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/sample"
)

// BenchmarkRollouts samples 256 answers of 100 characters, 8 to a prompt of 12, from networks of about 0.9 million parameters. Tokens a second of processor
// time tell more than those of the clock where the machine has other work.
func BenchmarkRollouts(b *testing.B) {
	for _, c := range []struct {
		name   string
		config *model.Config
	}{{"dense", denseConfig(128, 4)}, {"latent-experts", latentConfig(128, 4)}} {
		for _, sequences := range []int{32, 64, 128, 256} {
			b.Run(fmt.Sprintf("%s/%d", c.name, sequences), func(b *testing.B) { benchmarkRollouts(b, c.config, sequences) })
		}
	}
}

func benchmarkRollouts(b *testing.B, c *model.Config, sequences int) {
	r := NewRollouts(openModel(b, c, 0), RolloutOptions{Sequences: sequences})
	var gs []Group
	for g := range 32 {
		prompt := make([]int32, 12)
		for i := range prompt {
			prompt[i] = int32((g*7 + i*i) % 32)
		}
		gs = append(gs, Group{Prompt: prompt, Samples: 8, MaxTokens: 100, Params: sample.Params{Temp: 1},
			Seed: func(i int) uint64 { return sample.Seed(uint64(g), uint64(i)) }})
	}
	run := func() RolloutStats {
		stats, err := r.Run(context.Background(), gs, func(o Rollout) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		return stats
	}
	run()
	b.ReportAllocs()
	var total RolloutStats
	cpu := cpuSeconds()
	for b.Loop() {
		s := run()
		total.DrawnTokens += s.DrawnTokens
		total.Forward += s.Forward
		total.Sampling += s.Sampling
	}
	cpu = cpuSeconds() - cpu
	b.ReportMetric(float64(total.DrawnTokens)/b.Elapsed().Seconds(), "tok/s")
	b.ReportMetric(float64(total.DrawnTokens)/cpu, "tok/cpu-s")
	b.ReportMetric(100*total.Sampling.Seconds()/b.Elapsed().Seconds(), "%sampling")
	b.ReportMetric(100*(1-(total.Sampling+total.Forward).Seconds()/b.Elapsed().Seconds()), "%schedule")
}

// cpuSeconds is the processor time that the program has had.
func cpuSeconds() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
