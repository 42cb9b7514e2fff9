package store

import (
	"encoding/binary"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// What bbolt's pages look like (bbolt v1, https://github.com/etcd-io/bbolt/tree/main/internal/common), in the machine's byte order:
//
//	page      id (8 bytes), kind (2), count (2), pages that follow it (4)
//	branch    a page, then count times: place of a key (4), its size (4), id of a page (8)
//	freelist  a page, then count ids (8); if count is 0xFFFF the first is the count
//	meta      a page, then 32 bytes, then id of the freelist (8)
const (
	pageHead     = 16
	branchKind   = 0x01
	leafKind     = 0x02
	freelistKind = 0x10
	idsFollow    = 0xFFFF
	noFreelist   = ^uint64(0)
)

// pageCheck looks at what holds a file together: its branch pages and free pages. It reads few of the pages.
type pageCheck struct {
	file *os.File
	size uint64 // of a page
	end  uint64 // no page has this id, nor a higher one
	seen []bool // by id
}

// checkPages refuses a file that is shorter than it says, or in which a page is used twice, or is used and free. bbolt does not
// look for that: it would go round in circles, or write over what is in use.
func checkPages(db *bbolt.DB, file *os.File) error {
	return db.View(func(tx *bbolt.Tx) error {
		stat, err := file.Stat()
		if err != nil {
			return err
		}
		if stat.Size() < tx.Size() {
			return fmt.Errorf("%w: it has %d bytes of %d", errDamaged, stat.Size(), tx.Size())
		}
		c := &pageCheck{file: file, size: uint64(db.Info().PageSize)}
		c.end = uint64(tx.Size()) / c.size
		c.seen = make([]bool, c.end)
		if err := c.tree(uint64(tx.Cursor().Bucket().RootPage())); err != nil {
			return err
		}
		if root := tx.Bucket([]byte(rootBucket)); root != nil {
			if err := c.tree(uint64(root.RootPage())); err != nil {
				return err
			}
			err := root.ForEachBucket(func(name []byte) error { return c.tree(uint64(root.Bucket(name).RootPage())) })
			if err != nil {
				return err
			}
		}
		return c.freelist(tx)
	})
}

// tree checks a bucket from its root page down to, but not into, its leaves. All leaves are equally deep. Page 0 stands for a
// bucket that is so small that it has no page.
func (c *pageCheck) tree(id uint64) error {
	if id == 0 {
		return nil
	}
	if err := c.claim(id); err != nil {
		return err
	}
	return c.branches(id)
}

func (c *pageCheck) branches(id uint64) error {
	page, err := c.page(id)
	if err != nil || page.kind == leafKind {
		return err
	}
	if page.kind != branchKind || page.count == 0 {
		return fmt.Errorf("%w: page %d is no part of a tree", errDamaged, id)
	}
	elements, err := c.read(id, pageHead, page.count*pageHead)
	if err != nil {
		return err
	}
	var children []uint64
	for ; len(elements) > 0; elements = elements[pageHead:] {
		child := binary.NativeEndian.Uint64(elements[8:])
		if err := c.claim(child); err != nil {
			return err
		}
		children = append(children, child)
	}
	if first, err := c.page(children[0]); err != nil || first.kind == leafKind {
		return err
	}
	for _, child := range children {
		if err := c.branches(child); err != nil {
			return err
		}
	}
	return nil
}

// freelist checks the free pages.
func (c *pageCheck) freelist(tx *bbolt.Tx) error {
	meta, err := c.read(uint64(tx.ID()%2), pageHead+32, 8)
	if err != nil {
		return err
	}
	id := binary.NativeEndian.Uint64(meta)
	if id == noFreelist {
		return nil
	}
	if err := c.claim(id); err != nil {
		return err
	}
	page, err := c.page(id)
	if err != nil {
		return err
	}
	from, count := uint64(pageHead), page.count
	if count == idsFollow {
		first, err := c.read(id, from, 8)
		if err != nil {
			return err
		}
		from, count = from+8, binary.NativeEndian.Uint64(first)
	}
	if page.kind != freelistKind || count > c.end {
		return fmt.Errorf("%w: page %d is no list of free pages", errDamaged, id)
	}
	ids, err := c.read(id, from, count*8)
	if err != nil {
		return err
	}
	for ; len(ids) > 0; ids = ids[8:] {
		if err := c.claim(binary.NativeEndian.Uint64(ids)); err != nil {
			return err
		}
	}
	return nil
}

// claim notes that a page is used, or free: once.
func (c *pageCheck) claim(id uint64) error {
	if id < 2 || id >= c.end || c.seen[id] {
		return fmt.Errorf("%w: page %d of %d is used twice or cannot be", errDamaged, id, c.end)
	}
	c.seen[id] = true
	return nil
}

type pageHeader struct{ kind, count uint64 }

func (c *pageCheck) page(id uint64) (pageHeader, error) {
	head, err := c.read(id, 0, pageHead)
	if err != nil {
		return pageHeader{}, err
	}
	if is := binary.NativeEndian.Uint64(head); is != id {
		return pageHeader{}, fmt.Errorf("%w: page %d says that it is %d", errDamaged, id, is)
	}
	return pageHeader{uint64(binary.NativeEndian.Uint16(head[8:])), uint64(binary.NativeEndian.Uint16(head[10:]))}, nil
}

func (c *pageCheck) read(id, from, n uint64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := c.file.ReadAt(b, int64(id*c.size+from)); err != nil {
		return nil, fmt.Errorf("%w: reading page %d: %w", errDamaged, id, err)
	}
	return b, nil
}
