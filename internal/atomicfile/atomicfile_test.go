package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	put := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	check := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("file holds %q (%v), want %q", got, err, want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("folder holds %v, want the file alone", entries)
		}
	}
	if err := Write(path, put("old")); err != nil {
		t.Fatal(err)
	}
	check("old")
	broken := errors.New("broken")
	err := Write(path, func(w io.Writer) error { return errors.Join(put("half")(w), broken) })
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	check("old")
	if err := Write(path, put("new")); err != nil {
		t.Fatal(err)
	}
	check("new")
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing", "file")} {
		err := Write(path, func(io.Writer) error { t.Errorf("%s: was written", path); return nil })
		if err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}
