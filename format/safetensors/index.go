package safetensors

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pennyml/penny/internal/mmap"
)

// openIndex opens all shards that an index names.
func (f *File) openIndex(path string) error {
	shardOf, err := readIndex(path)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Values(shardOf))
	for _, name := range slices.Compact(names) {
		if err := f.openShard(filepath.Join(filepath.Dir(path), name)); err != nil {
			return fmt.Errorf("%w (shard named in %s)", err, path)
		}
	}
	for _, tensor := range slices.Sorted(maps.Keys(shardOf)) {
		if _, ok := f.index[tensor]; !ok {
			return fmt.Errorf("safetensors: %s: weight_map: tensor %q is not in %s", path, tensor, shardOf[tensor])
		}
	}
	return nil
}

// readIndex returns the index's map from tensor to shard file name.
func readIndex(path string) (map[string]string, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	defer m.Close()
	var shardOf map[string]string
	err = m.Guard(func() (err error) {
		shardOf, err = parseIndex(m.Bytes())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return shardOf, nil
}

func parseIndex(data []byte) (map[string]string, error) {
	if len(data) > maxHeaderBytes {
		return nil, fmt.Errorf("index has %d bytes, limit %d", len(data), maxHeaderBytes)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("index is not UTF-8")
	}
	s := &scanner{data: data}
	var shardOf map[string]string
	err := s.object(func(key string) (err error) {
		if key != "weight_map" {
			return s.skip(0)
		}
		if shardOf != nil {
			return fmt.Errorf("weight_map: given twice")
		}
		shardOf, err = s.parseWeightMap()
		return err
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && len(shardOf) == 0 {
		err = fmt.Errorf("weight_map is missing or empty")
	}
	return shardOf, err
}

func (s *scanner) parseWeightMap() (map[string]string, error) {
	shardOf := map[string]string{}
	err := s.object(func(tensor string) error {
		if _, dup := shardOf[tensor]; dup {
			return fmt.Errorf("tensor %q: the name occurs twice", tensor)
		}
		shard, err := s.string()
		if err == nil {
			err = checkShardName(shard)
		}
		if err != nil {
			return fmt.Errorf("tensor %q: %w", tensor, err)
		}
		shardOf[tensor] = shard
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("weight_map: %w", err)
	}
	return shardOf, nil
}

// checkShardName refuses whatever could lead out of the checkpoint's folder.
func checkShardName(name string) error {
	if strings.ContainsAny(name, "/\\:\x00") || !strings.HasSuffix(name, ".safetensors") {
		return fmt.Errorf("%q is not the plain name of a .safetensors file", name)
	}
	return nil
}
