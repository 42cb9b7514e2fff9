package rows

import (
	"encoding/binary"
	"hash/crc32"
)

// JoinGzip returns the segments of one gzip member that holds head, the fragments with commas between them, and tail.
// Nothing is decompressed or copied.
//
// Source: RFC 1952 section 2.3.
func JoinGzip(head []byte, fragments []Fragment, tail []byte) [][]byte {
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

// endOfStream is a final empty deflate block.
const endOfStream = "\x01\x00\x00\xff\xff"

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
