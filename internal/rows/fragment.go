package rows

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	"cmu-gateway/pkg/cmu"

	"github.com/klauspost/compress/flate"
)

// Fragment is rows ready to send: JSON objects joined by commas, compressed by themselves as raw deflate blocks that end
// with a sync flush and carry no final block. Fragments with stored blocks between them form one deflate stream. The zero
// Fragment holds no rows.
//
// Source: RFC 1951.
type Fragment struct {
	Deflate []byte
	Rows    int
	Len     int64  // bytes before compression
	CRC     uint32 // CRC-32 (IEEE) of those bytes
	Digest  Digest // of those bytes
	// Columns are those of the rows. Values is how many bytes their values take as fields of CSV, without what stands between them.
	// An earlier release kept neither: then Columns has none.
	Columns Columns
	Values  int64
}

// Digest tells contents apart: the beginning of their SHA-256.
type Digest [12]byte

// Levels of compression.
const (
	levelKept = 6 // for what is kept and sent again and again
	levelRun  = 1 // for what is opened again at once
)

var compressors = [10]sync.Pool{}

func compressor(w io.Writer, level int) *flate.Writer {
	if f, ok := compressors[level].Get().(*flate.Writer); ok {
		f.Reset(w)
		return f
	}
	f, err := flate.NewWriter(w, level)
	if err != nil {
		panic(err) // the levels are constants
	}
	return f
}

// Writer builds a fragment row by row. NewWriter makes it.
type Writer struct {
	out   bytes.Buffer
	z     *flate.Writer
	level int
	crc   uint32
	sum   hash.Hash
	f     Fragment
	plain []byte
	// fields are those of rows that are kept.
	fields Fields
}

// NewWriter returns a writer of rows that are kept. Fragment must end it.
func NewWriter() *Writer { return newWriter(levelKept) }

func newWriter(level int) *Writer {
	w := &Writer{level: level, sum: sha256.New()}
	w.z = compressor(&w.out, level)
	return w
}

// plainBuffer is how many bytes go through the checksums and the compressor at once.
const plainBuffer = 32 << 10

// Add appends a row, which is copied.
func (w *Writer) Add(row cmu.Row) {
	if w.f.Rows++; w.f.Rows > 1 {
		w.plain = append(w.plain, ',')
	}
	if w.level == levelKept {
		w.fields.See(row)
	}
	if w.plain = append(w.plain, row...); len(w.plain) >= plainBuffer {
		w.flush()
	}
}

// flush never fails: the compressor writes to memory.
func (w *Writer) flush() {
	w.crc = crc32.Update(w.crc, crc32.IEEETable, w.plain)
	w.sum.Write(w.plain)
	w.z.Write(w.plain)
	w.f.Len += int64(len(w.plain))
	w.plain = w.plain[:0]
}

// Fragment ends the writer and returns its rows.
func (w *Writer) Fragment() Fragment {
	if w.f.Rows > 0 {
		w.flush()
		w.z.Flush()
		w.f.Deflate = bytes.Clone(w.out.Bytes())
		w.f.CRC = w.crc
		w.f.Digest = Digest(w.sum.Sum(nil))
		w.f.Columns, w.f.Values = w.fields.Columns(), w.fields.values
	}
	compressors[w.level].Put(w.z)
	w.z = nil
	return w.f
}

// reader gives the rows of a fragment one by one.
type reader struct {
	z        io.ReadCloser
	buf      []byte
	at, full int
	left     int
	crc      uint32
	want     uint32
}

// ErrCorrupt is what the error for a fragment wraps that is not as it was written.
var ErrCorrupt = errors.New("rows are corrupt")

var inflaters sync.Pool

func (f Fragment) reader() *reader {
	r := &reader{left: f.Rows, want: f.CRC, buf: make([]byte, 0, 16<<10)}
	// The stream has no end; no more is read than the rows.
	src := bytes.NewReader(f.Deflate)
	if z, ok := inflaters.Get().(io.ReadCloser); ok {
		z.(flate.Resetter).Reset(src, nil)
		r.z = z
	} else {
		r.z = flate.NewReader(src)
	}
	return r
}

func (r *reader) close() {
	if r.z != nil {
		inflaters.Put(r.z)
		r.z = nil
	}
}

// next returns the next row, valid until the call after, or io.EOF once all have been given and their checksum is right.
func (r *reader) next() (cmu.Row, error) {
	if r.left == 0 {
		if r.crc != r.want {
			return nil, fmt.Errorf("%w: checksum", ErrCorrupt)
		}
		return nil, io.EOF
	}
	scanned, inString := 0, false
	for {
		window := r.buf[r.at:r.full]
		for ; scanned < len(window); scanned++ {
			switch c := window[scanned]; {
			case c == '\\' && inString:
				scanned++
			case c == '"':
				inString = !inString
			case c == '}' && !inString:
				row := window[:scanned+1]
				if row[0] == ',' {
					row = row[1:]
				}
				r.at += scanned + 1
				r.left--
				return cmu.Row(row), nil
			}
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

func (r *reader) fill() error {
	if r.at > 0 {
		r.full = copy(r.buf[:cap(r.buf)], r.buf[r.at:r.full])
		r.at = 0
	}
	r.buf = r.buf[:r.full]
	if r.full == cap(r.buf) {
		if r.full > cmu.MaxRow {
			return fmt.Errorf("%w: a row is too long", ErrCorrupt)
		}
		r.buf = append(make([]byte, 0, 2*cap(r.buf)), r.buf...)
	}
	n, err := r.z.Read(r.buf[r.full:cap(r.buf)])
	r.buf = r.buf[:r.full+n]
	r.crc = crc32.Update(r.crc, crc32.IEEETable, r.buf[r.full:])
	r.full += n
	if n == 0 && err != nil {
		return fmt.Errorf("%w: %d rows are missing", ErrCorrupt, r.left)
	}
	return nil
}

// Each calls do with every row in order, and returns its error as it is. A row is valid until do returns. Rows that do not
// match their checksum, or are missing, are ErrCorrupt.
func (f Fragment) Each(do func(cmu.Row) error) error {
	r := f.reader()
	defer r.close()
	for {
		row, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(row); err != nil {
			return err
		}
	}
}
