package gateway

import (
	"fmt"
	"net/http"

	"cmu-gateway/pkg/cmu"
)

// narrower is a request for a part of what was asked.
type narrower struct {
	Href  string `json:"href"`
	Start string `json:"start"`
	End   string `json:"end"`
}

// maxNarrower bounds the parts that are named; any of them may be asked in parts again.
const maxNarrower = 60

// tooLarge answers for a body of about size bytes that cannot be sent.
func (h *handler) tooLarge(w http.ResponseWriter, r *http.Request, d *document, limit, size int) {
	header := w.Header()
	for _, name := range []string{"Content-Type", "Content-Security-Policy"} {
		delete(header, name)
	}
	p := problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large",
		Detail: fmt.Sprintf("The report has %d rows and is larger than the %d bytes that can be sent here. ", d.Rows, limit)}
	p.Narrower = d.narrower((size + size/4 + limit - 1) / max(limit, 1)) // parts are never even: allow for a quarter more
	if len(p.Narrower) > 0 {
		p.Detail += "Ask for it in parts."
	} else {
		p.Detail += "Ask for less: a window by start and end, a filter, or fewer metrics."
	}
	if !d.gzip {
		p.Detail += " Compressed it takes a fraction: send Accept-Encoding: gzip."
	}
	h.problem(w, r, p)
}

// narrower splits the window into at least two and about n parts of whole periods. It is empty where the window is not known in
// civil time or has a single period.
func (d *document) narrower(n int) (parts []narrower) {
	grain, ok := d.Request.Grain()
	from, started := d.Request.Start.Civil()
	to, ended := d.Request.End.Civil()
	if !ok || !started || !ended || from >= to {
		return nil
	}
	edges := []cmu.Civil{from}
	n = min(max(n, 2), maxNarrower)
	for i := 1; i < n; i++ {
		last := edges[len(edges)-1]
		edge := grain.Floor(from + (to-from)/cmu.Civil(n)*cmu.Civil(i))
		if edge <= last {
			edge = grain.Step(grain.Floor(last), 1) // periods are not equally long
		}
		if edge < to {
			edges = append(edges, edge)
		}
	}
	edges = append(edges, to)
	if len(edges) < 3 {
		return nil
	}
	part := d.asked
	for i, edge := range edges[:len(edges)-1] {
		part.Start, part.End = cmu.BoundAt(edge), cmu.BoundAt(edges[i+1])
		parts = append(parts, narrower{hrefOf(d.base, part, d.asked.Format), part.Start.String(), part.End.String()})
	}
	return parts
}
