package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	kcpu "github.com/klauspost/cpuid/v2"

	"github.com/pennyml/penny/internal/cpu"
)

type doctorCmd struct {
	JSON bool `help:"Print one JSON object."`
}

func (doctorCmd) Help() string {
	return "Says what this machine has and which kernels run on it, and measures its memory and arithmetic (about a second)."
}

type doctorOut struct {
	Version  string    `json:"version"`
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	CPU      string    `json:"cpu"`
	Cores    int       `json:"cores"`
	Level    string    `json:"isa"`
	Best     string    `json:"isa_best"`
	Levels   []string  `json:"isa_available"`
	Forced   bool      `json:"isa_forced"`
	Roofs    roofsOut  `json:"roofs"`
	Home     string    `json:"home"`
	Sandbox  isolation `json:"sandbox"`
}

func (c *doctorCmd) Run() error {
	o := doctorOut{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, CPU: kcpu.CPU.BrandName, Cores: runtime.GOMAXPROCS(0),
		Level: cpu.Current().String(), Best: cpu.Best().String(), Forced: os.Getenv("PENNY_ISA") != ""}
	for _, l := range cpu.Levels {
		if l <= cpu.Best() {
			o.Levels = append(o.Levels, l.String())
		}
	}
	o.Roofs, _ = measureRoofs(0)
	o.Home, _ = home() // an empty line says enough
	o.Sandbox = isolationHere()
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(o)
	}
	forced := ""
	if o.Forced {
		forced = " (forced by PENNY_ISA)"
	}
	fmt.Printf("penny      %s, %s, %s\ncpu        %s, %d cores\nkernels    %s%s; available %v\nmemory     %.1f GB/s read\narithmetic f32 %.0f, bf16 %.0f GFLOP/s, int8 %.0f GOP/s (all cores, at %s)\ncache      %s\n",
		o.Version, o.Go, o.Platform, o.CPU, o.Cores, o.Level, forced, o.Levels, o.Roofs.MemoryGBs, o.Roofs.F32, o.Roofs.BF16, o.Roofs.Int8, o.Level, o.Home)
	o.Sandbox.print(os.Stdout)
	return nil
}
