package meter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// rapl reads the energy counters of the processor packages and of memory outside of them, as Linux's powercap shows them (Intel and AMD alike).
// The counters are those of the whole machine: whatever else runs on it is in the figure.
type rapl struct {
	zones []zone
}

// zone is one counter in microjoules, which starts again from 0 beyond its range.
type zone struct {
	name   string
	path   string
	last   uint64
	extent uint64
}

// openRAPL finds the counters under root; nil if there is none that can be read. hidden says that there are some which this user may not read.
func openRAPL(root string) (r *rapl, hidden bool) {
	r = &rapl{}
	dirs, _ := filepath.Glob(filepath.Join(root, "*-rapl*:*"))
	slices.Sort(dirs)
	seen := map[string]bool{}
	for _, dir := range dirs {
		name := strings.TrimSpace(readText(filepath.Join(dir, "name")))
		// core and uncore are parts of their package, and psys contains it: packages and memory do not overlap.
		sub := strings.Count(filepath.Base(dir), ":") > 1
		if !(strings.HasPrefix(name, "package-") && !sub || name == "dram") {
			continue
		}
		// intel-rapl and intel-rapl-mmio show the same packages.
		id := name
		if sub {
			base := filepath.Base(dir)
			id = strings.TrimSpace(readText(filepath.Join(root, base[:strings.LastIndex(base, ":")], "name"))) + "/" + name
		}
		z := zone{name: id, path: filepath.Join(dir, "energy_uj")}
		var err error
		if z.extent, err = readCount(filepath.Join(dir, "max_energy_range_uj")); err != nil || z.extent == 0 || seen[id] {
			continue
		}
		if z.last, err = readCount(z.path); err != nil {
			hidden = hidden || errors.Is(err, fs.ErrPermission) // to root only, on most systems
			continue
		}
		seen[id] = true
		r.zones = append(r.zones, z)
	}
	if !slices.ContainsFunc(r.zones, func(z zone) bool { return strings.HasPrefix(z.name, "package-") && !strings.Contains(z.name, "/") }) {
		return nil, hidden
	}
	return r, hidden
}

// lap is the energy in joules since the lap before.
func (r *rapl) lap() (float64, error) {
	var sum float64
	var errs []error
	for i := range r.zones {
		z := &r.zones[i]
		now, err := readCount(z.path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		spent := now - z.last
		if now < z.last {
			spent = z.extent - z.last + now
		}
		z.last = now
		sum += float64(spent) / 1e6
	}
	return sum, errors.Join(errs...)
}

func (r *rapl) String() string {
	var names []string
	for _, z := range r.zones {
		names = append(names, z.name)
	}
	return fmt.Sprintf("RAPL counters of %s: the whole machine's processors and memory, whatever runs on them", strings.Join(names, ", "))
}

func readText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

func readCount(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}
