package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
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
// Source: RFC 1951; RFC 1952.
type Fragment struct {
	Deflate []byte
	Rows    int
	Len     int64  // bytes before compression
	CRC     uint32 // CRC-32 (IEEE) of those bytes
	Digest  Digest // of those bytes
}

// Digest tells contents apart.
type Digest [12]byte

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

// fragmentWriter builds a fragment row by row.
type fragmentWriter struct {
	out   bytes.Buffer
	z     *flate.Writer
	level int
	crc   uint32
	sum   hash.Hash
	f     Fragment
	plain []byte
}

func newFragmentWriter(level int) *fragmentWriter {
	w := &fragmentWriter{level: level, sum: sha256.New()}
	w.z = compressor(&w.out, level)
	return w
}

// plainBuffer is how many bytes go through the checksums and the compressor at once.
const plainBuffer = 32 << 10

func (w *fragmentWriter) add(row cmu.Row) {
	if w.f.Rows++; w.f.Rows > 1 {
		w.plain = append(w.plain, ',')
	}
	if w.plain = append(w.plain, row...); len(w.plain) >= plainBuffer {
		w.flush()
	}
}

// flush never fails: the compressor writes to memory.
func (w *fragmentWriter) flush() {
	w.crc = crc32.Update(w.crc, crc32.IEEETable, w.plain)
	w.sum.Write(w.plain)
	w.z.Write(w.plain)
	w.f.Len += int64(len(w.plain))
	w.plain = w.plain[:0]
}

// fragment ends the writer.
func (w *fragmentWriter) fragment() Fragment {
	if w.f.Rows > 0 {
		w.flush()
		w.z.Flush()
		w.f.Deflate = bytes.Clone(w.out.Bytes())
		w.f.CRC = w.crc
		w.f.Digest = Digest(w.sum.Sum(nil))
	}
	compressors[w.level].Put(w.z)
	w.z = nil
	return w.f
}

// rowReader gives the rows of a fragment one by one.
type rowReader struct {
	z        io.ReadCloser
	buf      []byte
	at, full int
	left     int
	crc      uint32
	want     uint32
}

var (
	errCorrupt = errors.New("rows are corrupt")
	inflaters  sync.Pool
)

// endOfStream is a final empty deflate block.
const endOfStream = "\x01\x00\x00\xff\xff"

func (f Fragment) reader() *rowReader {
	r := &rowReader{left: f.Rows, want: f.CRC, buf: make([]byte, 0, 16<<10)}
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

func (r *rowReader) close() {
	if r.z != nil {
		inflaters.Put(r.z)
		r.z = nil
	}
}

// maxRow bounds one row; Adobe's are some hundred bytes.
const maxRow = 16 << 20

// next returns the next row, valid until the call after, or io.EOF once all have been given and their checksum is right.
func (r *rowReader) next() (cmu.Row, error) {
	if r.left == 0 {
		if r.crc != r.want {
			return nil, fmt.Errorf("%w: checksum", errCorrupt)
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

func (r *rowReader) fill() error {
	if r.at > 0 {
		r.full = copy(r.buf[:cap(r.buf)], r.buf[r.at:r.full])
		r.at = 0
	}
	r.buf = r.buf[:r.full]
	if r.full == cap(r.buf) {
		if r.full >= maxRow {
			return fmt.Errorf("%w: a row is too long", errCorrupt)
		}
		r.buf = append(make([]byte, 0, 2*cap(r.buf)), r.buf...)
	}
	n, err := r.z.Read(r.buf[r.full:cap(r.buf)])
	r.buf = r.buf[:r.full+n]
	r.crc = crc32.Update(r.crc, crc32.IEEETable, r.buf[r.full:])
	r.full += n
	if n == 0 && err != nil {
		return fmt.Errorf("%w: %d rows are missing", errCorrupt, r.left)
	}
	return nil
}

// each calls f with every row.
func (f Fragment) each(do func(cmu.Row) error) error {
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

// joinGzip returns the segments of one gzip member that holds head, the fragments with commas between them, and tail.
// Nothing is decompressed or copied. Source: RFC 1952 section 2.3.
func joinGzip(head []byte, fragments []Fragment, tail []byte) [][]byte {
	const header = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
	segments := make([][]byte, 1, 2*len(fragments)+2)
	segments[0] = appendStored([]byte(header), head)
	crc, size := crc32.ChecksumIEEE(head), int64(len(head))
	comma := appendStored(nil, []byte{','})
	commaCRC := crc32.ChecksumIEEE([]byte{','})
	first := true
	for _, f := range fragments {
		if f.Rows == 0 {
			continue
		}
		if !first {
			segments = append(segments, comma)
			crc, size = combineCRC(crc, commaCRC, 1), size+1
		}
		first = false
		segments = append(segments, f.Deflate)
		crc, size = combineCRC(crc, f.CRC, f.Len), size+f.Len
	}
	crc, size = combineCRC(crc, crc32.ChecksumIEEE(tail), int64(len(tail))), size+int64(len(tail))
	end := append(appendStored(nil, tail), endOfStream...)
	end = binary.LittleEndian.AppendUint32(end, crc)
	return append(segments, binary.LittleEndian.AppendUint32(end, uint32(size)))
}

// appendStored appends text as stored deflate blocks.
func appendStored(dst, text []byte) []byte {
	for len(text) > 0 {
		n := min(len(text), 0xffff)
		dst = append(dst, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
		dst = append(dst, text[:n]...)
		text = text[n:]
	}
	return dst
}

// combineCRC returns the CRC-32 of two texts in a row from the CRC-32 of each and the length of the second: the first
// is shifted by that many zero bytes, a multiplication by x^8n modulo the polynomial.
func combineCRC(first, second uint32, n int64) uint32 {
	shift := uint32(1) << 31 // x^0; bits are reflected
	for bit := 0; n > 0; n, bit = n>>1, bit+1 {
		if n&1 != 0 {
			shift = multiplyCRC(shift, crcPowers[bit])
		}
	}
	return multiplyCRC(first, shift) ^ second
}

// crcPowers holds x^(8*2^k) modulo the polynomial.
var crcPowers = func() (powers [63]uint32) {
	p := uint32(1) << 30 // x^1
	for range 3 {
		p = multiplyCRC(p, p)
	}
	for k := range powers {
		powers[k] = p
		p = multiplyCRC(p, p)
	}
	return powers
}()

func multiplyCRC(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a&(1<<31) != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}
