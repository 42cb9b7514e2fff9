package explorer_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// The PNG that people save holds what the chart shows: its lines in the colours of the legend, on the ground of the scheme, as large as
// the chart with its title, legend and foot.
func TestPicture(t *testing.T) {
	b := serve(t).tab()
	// What is saved is kept for the test instead.
	const keep = `(() => { window.saved = null; URL.createObjectURL = (blob) => { const r = new FileReader(); r.onload = () => { window.saved = {URL: r.result, Type: blob.type}; }; r.readAsDataURL(blob); return "about:blank"; };
		HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; }; return true; })()`
	for _, kind := range []string{"line", "area", "bars"} {
		for _, scheme := range []string{"light", "dark"} {
			name := kind + ", " + scheme
			b.size(1280, scheme)
			b.open("/?metric=started-sessions&split=mvpd&window=2026-01-01..2026-02-01&by=day&compare=before&chart=" + kind)
			ask[bool](b, keep)
			b.click("#png")
			b.until(`window.saved`)
			saved := ask[struct{ URL, Type string }](b, `window.saved`)
			text, isPNG := strings.CutPrefix(saved.URL, "data:image/png;base64,")
			body, err := base64.StdEncoding.DecodeString(text)
			if err != nil || !isPNG || saved.Type != "image/png" {
				t.Fatalf("%s: %.60s: %v", name, saved.URL, err)
			}
			if shots != "" {
				if err := os.WriteFile(filepath.Join(shots, fmt.Sprintf("picture-%s-%s.png", kind, scheme)), body, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			image, err := png.Decode(bytes.NewReader(body))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			chart := ask[struct{ Width, Height int }](b, `({Width: document.querySelector("#canvas").clientWidth, Height: document.querySelector("#canvas").clientHeight})`)
			size := image.Bounds().Size()
			if more := size.Y - chart.Height; size.X != chart.Width+32 || more < 100 || more > 200 {
				t.Errorf("%s: it is %v, the chart %+v", name, size, chart)
			}
			seen := map[color.RGBA]int{}
			for y := range size.Y {
				for x := range size.X {
					seen[color.RGBAModel.Convert(image.At(x, y)).(color.RGBA)]++
				}
			}
			colour := func(property string) (c color.RGBA) {
				c.A = 255
				text := ask[string](b, fmt.Sprintf(`getComputedStyle(document.documentElement).getPropertyValue(%q).trim()`, property))
				if _, err := fmt.Sscanf(text, "#%02x%02x%02x", &c.R, &c.G, &c.B); err != nil {
					t.Fatalf("%s is %s: %v", property, text, err)
				}
				return c
			}
			if corner := image.At(0, 0); color.RGBAModel.Convert(corner) != colour("--card") {
				t.Errorf("%s: the ground is %v", name, corner)
			}
			// A swatch of the legend has 121 points: there is more of each colour than that where it is drawn opaque.
			least := 150
			if kind == "area" {
				least = 100
			}
			for i := range 6 {
				if n := seen[colour(fmt.Sprintf("--s%d", i))]; n < least {
					t.Errorf("%s: %d points have the colour of series %d", name, n, i)
				}
			}
			if len(seen) < 50 {
				t.Errorf("%s: it has %d colours", name, len(seen))
			}
			if got := ask[string](b, `window.savedAs`); got != "simulated_started-sessions-by-mvpd.png" {
				t.Errorf("%s: it is saved as %s", name, got)
			}
		}
	}
}

// Under the pointer stand the numbers of one period, each series once, whether they may still change or not; away from it the chart is as
// it was.
func TestPointer(t *testing.T) {
	b := serve(t).tab()
	const picture = `[...document.getElementById("canvas").toDataURL()].reduce((h, c) => (h * 31 + c.charCodeAt(0)) | 0, 0)`
	for _, view := range []string{"?window=24h&split=mvpd&top=3", "?metric=started-sessions&window=24h&split=mvpd&top=3&chart=area", "?metric=started-sessions&window=last-month&by=day&split=mvpd&top=3&chart=bars"} {
		b.open("/" + view)
		box := ask[struct{ X, Y, Left, Right float64 }](b, `(() => { const c = document.getElementById("canvas"); c.scrollIntoView({block: "center"}); const r = c.getBoundingClientRect(), a = Chart.getChart(c).chartArea;
			return {X: r.x, Y: r.y + r.height / 2, Left: a.left, Right: a.right}; })()`)
		move := func(x, y float64) {
			if _, err := chromedp.Call(b.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseMoved", X: x, Y: y}); err != nil {
				t.Fatal(err)
			}
		}
		move(1, 1)
		before := ask[int](b, picture)
		series := ask[int](b, `document.querySelectorAll("#summary tbody tr").length`)
		for _, part := range []float64{0.1, 0.45, 0.97} {
			move(box.X+box.Left+part*(box.Right-box.Left), box.Y)
			b.until(picture + fmt.Sprintf(` !== %d && Chart.getChart("canvas").tooltip.dataPoints?.length > 0`, before))
			shown := ask[[]struct {
				X     float64
				Label string
			}](b, `Chart.getChart("canvas").tooltip.dataPoints.map((p) => ({X: p.raw.x, Label: p.dataset.label}))`)
			labels := map[string]bool{}
			for _, p := range shown {
				if p.X != shown[0].X || labels[p.Label] {
					t.Errorf("%s at %g: %+v", view, part, shown)
				}
				labels[p.Label] = true
			}
			if len(shown) != series {
				t.Errorf("%s at %g: %d numbers for %d series", view, part, len(shown), series)
			}
		}
		move(1, 1)
		b.until(picture + fmt.Sprintf(` === %d`, before))
	}
}
