package data

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Options are what a data set is opened with besides its configuration.
type Options struct {
	Dirs    []string // where relative paths are looked for, in order; the working directory if there are none
	Cache   string   // where token files are kept when the store is on disk
	Threads int      // 0: all
	Seed    uint64
}

// Dataset is the sources of a configuration, opened.
type Dataset struct {
	config  Config
	options Options
	vocab   Vocabulary
	files   []File
	train   []source
	val     []source
	close   []func() error
}

// source is one source's part for training or validation: a stretch of tokens for windows, else documents.
type source struct {
	name   string
	weight float64
	stretch
	corpus
}

// Open reads what a configuration names, tokenising it where that is to be done once. Call Close when done.
func Open(c Config, v Vocabulary, o Options) (*Dataset, error) {
	c.Default()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d := &Dataset{config: c, options: o, vocab: v}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Dataset) open() error {
	all := slices.Concat(d.config.Sources, d.config.Val.Sources)
	paths := make([][]string, len(all))
	var every []string
	for i := range all {
		var err error
		if paths[i], err = Find(all[i].Paths(), d.options.Dirs); err != nil {
			return err
		}
		every = append(every, paths[i]...)
	}
	files, err := hashFiles(every, threads(d.options.Threads))
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	d.files = files
	for i := range all {
		if err := d.add(&all[i], paths[i], files[:len(paths[i])], i >= len(d.config.Sources)); err != nil {
			return fmt.Errorf("data: %w", err)
		}
		files = files[len(paths[i]):]
	}
	return nil
}

// Find is the files that paths and patterns name, each in the first of the folders that has any.
func Find(patterns, dirs []string) ([]string, error) {
	var out []string
	for _, p := range patterns {
		in := dirs
		if len(dirs) == 0 || filepath.IsAbs(p) {
			in = []string{""}
		}
		var files []string
		err := os.ErrNotExist
		for _, dir := range in {
			if files, err = tokenFiles(filepath.Join(dir, p)); !errors.Is(err, os.ErrNotExist) {
				break
			}
		}
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%s: %w (looked in %q)", p, os.ErrNotExist, in)
		}
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		out = append(out, files...)
	}
	return out, nil
}

// hashFiles reads files through, several at a time.
func hashFiles(paths []string, threads int) ([]File, error) {
	files, errs := make([]File, len(paths)), make([]error, len(paths))
	slots := make(chan struct{}, threads)
	var wg sync.WaitGroup
	for i, p := range paths {
		slots <- struct{}{}
		wg.Go(func() {
			files[i], errs[i] = hashFile(p)
			<-slots
		})
	}
	wg.Wait()
	return files, errors.Join(errs...)
}

// add opens one source and holds out its part.
func (d *Dataset) add(s *Source, paths []string, files []File, isVal bool) error {
	c, err := d.corpus(s, paths, files)
	if err != nil {
		return err
	}
	fraction := d.config.Val.Fraction
	if isVal {
		fraction = 0
	}
	train, val := source{name: s.Paths()[0], weight: s.Weight}, source{name: s.Paths()[0]}
	if d.config.windowed() {
		store := c.(*Store)
		at := int64(float64(store.tokens) * (1 - fraction))
		train.stretch = stretch{store: store, hi: at, length: d.config.Length, masked: d.config.MaskDocuments}
		val.stretch = train.stretch
		val.lo, val.hi = at, store.tokens
	} else if train.corpus, val.corpus, err = split(c, d.config.Val.By, fraction); err != nil {
		return err
	}
	if isVal {
		d.val = append(d.val, train)
		return nil
	}
	d.train = append(d.train, train)
	if fraction > 0 {
		d.val = append(d.val, val)
	}
	return nil
}

// corpus opens the files of a source.
func (d *Dataset) corpus(s *Source, paths []string, files []File) (keyed, error) {
	format, err := s.format(paths)
	if err != nil {
		return nil, err
	}
	if format == formatTokens {
		return d.tokens(s, paths)
	}
	e, err := newEncoder(d.vocab, &d.config, s)
	if err != nil {
		return nil, err
	}
	var readers []reader
	for _, p := range paths {
		r, err := newReader(p, format, s, e.cut)
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
		d.close = append(d.close, r.close)
	}
	store := d.config.Store
	if store == "none" {
		return newLazy(readers, e)
	}
	if store == "auto" {
		store = "disk"
		if total(d.files) <= inMemory {
			store = "memory"
		}
	}
	dir, key := "", ""
	if store == "disk" {
		if dir = d.options.Cache; dir == "" {
			return nil, errors.New("no folder for token files was given")
		}
		if d.vocab.ID == "" {
			return nil, errors.New("token files cannot be kept without the tokenizer's identity")
		}
		settings := *s
		settings.Files, settings.Made, settings.Weight = nil, "", 0
		key = digest(storeVersion, format, settings, d.config.BOS, d.config.EOS, d.config.Turns, d.vocab.ID, contents(files))
	}
	st, err := build(readers, e, dir, key, files, d.options.Threads)
	if err != nil {
		return nil, err
	}
	d.close = append(d.close, st.Close)
	return st, nil
}

// tokens opens token files.
func (d *Dataset) tokens(s *Source, paths []string) (*Store, error) {
	end := int32(-1)
	if s.End != nil {
		end = *s.End
	}
	var parts []part
	for _, p := range paths {
		part, err := openPart(p, s.Width, end)
		if err != nil {
			return nil, err
		}
		d.close = append(d.close, part.close)
		if n := d.vocab.Tokenizer.VocabSize(); part.vocab > n {
			return nil, fmt.Errorf("%s: made with a vocabulary of %d tokens, this one has %d", p, part.vocab, n)
		}
		parts = append(parts, part)
	}
	return newStore(parts)
}

// inMemory is the bytes of files, in all, up to which their tokens are kept in memory.
const inMemory = 64 << 20

func total(files []File) (n int64) {
	for _, f := range files {
		n += f.Bytes
	}
	return n
}

// contents are the hashes of files, which say what is in them wherever they are.
func contents(files []File) (hashes []string) {
	for _, f := range files {
		hashes = append(hashes, f.SHA256)
	}
	return hashes
}

// Close closes the files. No loader may be used afterwards.
func (d *Dataset) Close() error {
	var err error
	for _, c := range d.close {
		err = errors.Join(err, c())
	}
	d.close = nil
	return err
}

// Files are the files that were read, those of validation included.
func (d *Dataset) Files() []File { return d.files }

// Documents is the number of documents to train on, 0 where windows are cut from token files that do not tell; Tokens that of tokens, 0 where
// documents are tokenised only when they are drawn.
func (d *Dataset) Documents() (n int) {
	for _, s := range d.train {
		if s.corpus != nil {
			n += s.corpus.Len()
		}
	}
	return n
}

// Train returns a loader of batches of so many rows, at the start.
func (d *Dataset) Train(rows int) (*Loader, error) {
	c := d.config
	shuffle := c.Shuffle == nil || *c.Shuffle
	return d.loader(d.train, c.Sample, rows, c.Epochs, shuffle, d.options.Seed)
}

// Val returns a loader that goes through what is held out once: always the same rows, whatever the seed. It is nil where nothing is held out.
func (d *Dataset) Val(rows int) (*Loader, error) {
	if len(d.val) == 0 {
		return nil, nil
	}
	sample := d.config.Sample
	if d.config.windowed() {
		sample = "windows"
	}
	// Fewer rows than there are come from everywhere, so they are shuffled; the order of all of them does not matter.
	l, err := d.loader(d.val, sample, rows, 1, d.config.Val.Rows > 0, 0)
	if err == nil {
		l.most = d.config.Val.Rows
	}
	return l, err
}

func (d *Dataset) loader(sources []source, sample string, rows, epochs int, shuffle bool, seed uint64) (*Loader, error) {
	if rows < 1 {
		return nil, fmt.Errorf("data: batches of %d rows", rows)
	}
	c := d.config
	l := &Loader{rows: rows, sample: sample, capacity: c.Length, seed: seed}
	if c.windowed() {
		l.capacity++
	} else if sample == "pack" {
		l.ahead = c.LookAhead * c.Length
	}
	l.data = digest(contents(d.files), d.vocab.ID, c.meaning(), sample, epochs, shuffle, seed)
	if !c.windowed() && sources[0].weight == 0 {
		var all joined
		for _, s := range sources {
			all = append(all, s.corpus)
		}
		sources = []source{{name: "documents", weight: 1, corpus: all}}
	}
	for i, s := range sources {
		f := &feed{name: s.name, weight: s.weight}
		o := order{plain: !shuffle, seed: draw(seed, uint64(i))}
		var err error
		if c.windowed() {
			f.sampler, err = s.windows(sample, o)
			f.weight = cmp.Or(s.weight, float64(s.hi-s.lo))
		} else {
			f.sampler, err = d.documents(s, o, &l.stats)
		}
		if err != nil {
			return nil, fmt.Errorf("data: %s: %w", s.name, err)
		}
		if f.limit = f.pass() * uint64(epochs); epochs > 0 && f.pass() == 0 {
			return nil, errors.New("data: crops have no epochs")
		}
		l.feeds = append(l.feeds, f)
	}
	l.begin = l.here()
	return l, nil
}

func (s *source) windows(sample string, o order) (sampler, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if sample == "crops" {
		return crops{s.stretch, o.seed}, nil
	}
	w := &windows{stretch: s.stretch, order: o}
	w.order.n = w.pass()
	return w, nil
}

func (d *Dataset) documents(s source, o order, stats *Stats) (sampler, error) {
	if s.corpus.Len() == 0 {
		return nil, errors.New("no documents")
	}
	o.n = uint64(s.corpus.Len())
	return &documents{corpus: s.corpus, order: o, length: d.config.Length, long: d.config.Long, threads: threads(d.options.Threads), stats: stats}, nil
}
