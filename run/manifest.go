package run

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/klauspost/cpuid/v2"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/ledger"
)

// Manifest says what went into a run, by content hash. It is written once and never changed.
type Manifest struct {
	Format  int               `json:"format"`
	Run     string            `json:"run"`
	Kind    string            `json:"kind"` // the verb: train, rl, quickstart
	Created string            `json:"created"`
	Command []string          `json:"command"`
	Binary  Binary            `json:"binary"`
	Inputs  []Input           `json:"inputs"`
	Seeds   map[string]uint64 `json:"seeds"`
	Machine Machine           `json:"machine"`
	Extra   map[string]any    `json:"extra,omitempty"` // what else a verb wants on record: network, precision, budget
}

// Binary is the program that ran.
type Binary struct {
	SHA256   ledger.Hash `json:"sha256"`
	Version  string      `json:"version"`
	Revision string      `json:"revision,omitempty"` // of the source, where the build knows it
	Modified bool        `json:"modified,omitempty"`
	Go       string      `json:"go"`
}

// Input is a file or folder that the run read.
type Input struct {
	Role   string      `json:"role"` // recipe, weights, tokenizer, data
	Path   string      `json:"path"`
	SHA256 ledger.Hash `json:"sha256"`
	Bytes  int64       `json:"bytes"`
}

// Machine is where the run began.
type Machine struct {
	CPU     string `json:"cpu"`
	ISA     string `json:"isa"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	CPUs    int    `json:"cpus"`
	Threads int    `json:"threads"` // that the run was given
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d of %d threads, %s, %s/%s", m.CPU, m.Threads, m.CPUs, m.ISA, m.OS, m.Arch)
}

// NewManifest is the manifest of a run of this program, on this machine, at this moment; name becomes part of the run's id. The caller adds
// inputs and seeds.
func NewManifest(name, kind, version string, threads int) (Manifest, error) {
	b, err := thisBinary(version)
	if err != nil {
		return Manifest{}, err
	}
	var tag [4]byte
	_, _ = rand.Read(tag[:]) // never fails
	return Manifest{Format: manifestVersion, Run: name + "-" + hex.EncodeToString(tag[:]), Kind: kind, Created: time.Now().UTC().Format(time.RFC3339), Command: os.Args, Binary: b,
		Seeds: map[string]uint64{}, Machine: thisMachine(threads)}, nil
}

func thisMachine(threads int) Machine {
	return Machine{CPU: cpuid.CPU.BrandName, ISA: cpu.Current().String(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Threads: threads}
}

func thisBinary(version string) (Binary, error) {
	b := Binary{Version: version, Go: runtime.Version()}
	path, err := os.Executable()
	if err != nil {
		return b, err
	}
	if b.SHA256, _, err = HashFile(path); err != nil {
		return b, err
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Revision = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	return b, nil
}

// AddInput hashes a file or folder and puts it on the manifest. Large inputs take a second per gigabyte or so.
func (m *Manifest) AddInput(role, path string) error {
	h, n, err := HashTree(path)
	if err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	m.Inputs = append(m.Inputs, Input{role, path, h, n})
	return nil
}

// AddContent puts content that is no file of its own (a resolved recipe) on the manifest.
func (m *Manifest) AddContent(role, name string, text []byte) {
	m.Inputs = append(m.Inputs, Input{role, name, ledger.HashOf(text), int64(len(text))})
}

// HashFile is a file's SHA-256 and size.
func HashFile(path string) (ledger.Hash, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, err
	}
	return ledger.Hash(hex.EncodeToString(h.Sum(nil))), n, nil
}

// HashTree is a file's SHA-256 and size, or a folder's: the SHA-256 of the lines "SHA-256, two spaces, path from the folder" of its files in the
// order of their paths, as sha256sum prints them.
func HashTree(path string) (ledger.Hash, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	if !info.IsDir() {
		return HashFile(path)
	}
	var list bytes.Buffer
	var total int64
	err = fs.WalkDir(os.DirFS(path), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		h, n, err := HashFile(filepath.Join(path, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		total += n
		fmt.Fprintf(&list, "%s  %s\n", h, name)
		return nil
	})
	if err != nil {
		return "", 0, err
	}
	return ledger.HashOf(list.Bytes()), total, nil
}

// ReadManifest reads a run's manifest, with the SHA-256 of its text.
func ReadManifest(dir string) (Manifest, ledger.Hash, error) {
	path := filepath.Join(dir, ManifestFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, "", err
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return m, "", fmt.Errorf("%s: %w", path, err)
	}
	if m.Format != manifestVersion {
		return m, "", fmt.Errorf("%s: format %d; this program knows %d", path, m.Format, manifestVersion)
	}
	return m, ledger.HashOf(text), nil
}
