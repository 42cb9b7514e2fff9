package rows

// Lead gathers what rows share of the values before their unit. Fragments of units in a row whose leads are one and the same
// are sorted when they are joined as they are. The zero Lead is of no rows.
type Lead struct {
	Value string
	Any   bool // a row was seen
	Mixed bool // rows with different values were seen
}

// See takes the lead of one more row.
func (l *Lead) See(value []byte) {
	if !l.Any {
		*l = Lead{Value: string(value), Any: true}
	} else if l.Value != string(value) {
		l.Mixed = true
	}
}

// Join takes all that another lead has seen.
func (l *Lead) Join(o Lead) {
	if o.Any {
		mixed := l.Mixed || o.Mixed
		l.See([]byte(o.Value))
		l.Mixed = l.Mixed || mixed
	}
}
