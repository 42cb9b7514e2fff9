package sandbox

import (
	"math"
	"time"
)

// A load is how many sessions a tenant has had up to an instant, by one of a few rhythms. It is a function of time that
// never decreases, so the sessions of any interval are a difference of two values: intervals add up exactly, and a row
// costs the same whatever its length.

// The rhythms that loads follow.
const (
	evening = iota
	daytime
	weekend
	steady
	rhythms
)

// The span of the data. Reports show only the last 25 months before the clock.
var (
	spanStart = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	spanDays  = int(time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC).Sub(spanStart) / (24 * time.Hour))
)

const (
	minuteMS = 60_000
	hourMS   = 60 * minuteMS
	dayMS    = 24 * hourMS
)

// hours are the weights of the hours of a day by rhythm.
var hours = [rhythms][24]float64{
	evening: {9, 6, 4, 2, 2, 1, 1, 2, 2, 2, 2, 3, 4, 4, 4, 5, 6, 8, 11, 15, 18, 18, 16, 12},
	daytime: {2, 1, 1, 1, 1, 2, 5, 9, 11, 10, 10, 11, 13, 11, 10, 9, 10, 10, 8, 6, 5, 4, 3, 3},
	weekend: {4, 3, 2, 1, 1, 1, 1, 2, 4, 6, 9, 12, 14, 16, 17, 16, 14, 13, 12, 10, 9, 8, 7, 5},
	steady:  {6, 5, 5, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 7, 8, 8, 7, 7},
}

// weekdays are the weights of the days of a week by rhythm, Sunday first.
var weekdays = [rhythms][7]float64{
	evening: {1.2, .9, .9, .95, 1, 1.05, 1.1},
	daytime: {.7, 1.1, 1.15, 1.15, 1.1, 1.05, .75},
	weekend: {2.4, .4, .4, .5, .6, .9, 2.2},
	steady:  {1, 1, 1, 1, 1, 1, 1},
}

// load is a tenant's load by rhythm.
type load struct {
	seed uint64
	sums [rhythms][]float64 // sessions before each day of the span
	cuts [rhythms][25]float64
}

// newLoad returns a load of some sessions a day at the start of the span, growing by an eighth a year. A silentEvery over
// zero makes about one day in that many silent.
func newLoad(seed uint64, daily float64, silentEvery uint64) *load {
	l := &load{seed: seed}
	for k := range rhythms {
		total := 0.0
		for _, h := range hours[k] {
			total += h
		}
		for h, weight := range hours[k] {
			l.cuts[k][h+1] = l.cuts[k][h] + weight/total
		}
		l.cuts[k][24] = 1
		sums := make([]float64, spanDays+1)
		for d := range spanDays {
			years := float64(d) / 365.25
			volume := daily * math.Pow(1.125, years) * (1 + .12*math.Cos(2*math.Pi*years))
			volume *= weekdays[k][(d+4)%7] * (.85 + .3*unit(mix(seed, uint64(k), uint64(d)))) // the span starts on a Thursday
			if silentEvery > 0 && mix(seed, 77, uint64(d))%silentEvery == 0 {
				volume = 0
			}
			sums[d+1] = sums[d] + volume
		}
		l.sums[k] = sums
	}
	return l
}

// at returns the loads up to an instant, in milliseconds since 1970.
func (l *load) at(ms int64) (sum [rhythms]float64) {
	ms = min(max(ms-spanStart.UnixMilli(), 0), int64(spanDays)*dayMS)
	d, rest := int(ms/dayMS), ms%dayMS
	for k := range rhythms {
		sum[k] = l.sums[k][d]
		if rest > 0 {
			sum[k] += float64((l.sums[k][d+1] - l.sums[k][d]) * l.part(k, d, rest))
		}
	}
	return sum
}

// part returns which part of a day's load falls before the millisecond.
func (l *load) part(k, d int, ms int64) float64 {
	h, rest := int(ms/hourMS), ms%hourMS
	from := l.cut(k, d, h)
	if rest == 0 {
		return from
	}
	m := rest / minuteMS
	low, high := l.minute(k, d, h, m), l.minute(k, d, h, m+1)
	within := low + float64((high-low)*float64(float64(rest%minuteMS)/minuteMS))
	return from + float64((l.cut(k, d, h+1)-from)*within)
}

// cut returns which part of a day's load falls before the hour, moved a little each day.
func (l *load) cut(k, d, h int) float64 {
	c := &l.cuts[k]
	if h == 0 || h == 24 {
		return c[h]
	}
	room := .3 * min(c[h]-c[h-1], c[h+1]-c[h])
	return c[h] + float64(room*float64(2*unit(mix(l.seed, 5, uint64(k), uint64(d*24+h)))-1))
}

// minute returns which part of an hour's load falls before the minute, moved a little each hour.
func (l *load) minute(k, d, h int, m int64) float64 {
	if m == 0 || m == 60 {
		return float64(m) / 60
	}
	move := .3 * (2*unit(mix(l.seed, 6, uint64(k), uint64((int64(d*24+h))*60+m))) - 1)
	return (float64(m) + move) / 60
}

// mix returns a hash of some numbers.
func mix(seed uint64, parts ...uint64) uint64 {
	h := seed ^ 0x9E3779B97F4A7C15
	for _, p := range parts {
		h ^= p
		h += 0x9E3779B97F4A7C15
		h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
		h = (h ^ h>>27) * 0x94D049BB133111EB
		h ^= h >> 31
	}
	return h
}

// mixText returns a hash of a text.
func mixText(seed uint64, text string) uint64 {
	h := mix(seed, uint64(len(text)))
	for _, c := range []byte(text) {
		h = mix(h, uint64(c))
	}
	return h
}

// unit maps a hash to [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }
