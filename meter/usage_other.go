//go:build !unix

package meter

func cpuSeconds() (float64, bool) { return 0, false }

func peakMemory() int64 { return 0 }

func memory() int64 { return 0 }

func onBattery() bool { return false }
