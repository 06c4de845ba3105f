//! Where the names of points stand in a chart: none under a mark, none over another name, all inside of the frame.
//!
//! Every name tries the places around its point, the nearest first, then every place that is left in the frame. Of the
//! free ones it takes the cheapest: near, and over as few lines as can be. A name that stands away from its point is
//! led there by a line. Where the frame is full a name is left out rather than drawn over something.

/// A rectangle on the chart, y downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

/// A point of the chart, whose mark is a disc.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Its centre.
    pub at: (f64, f64),
    /// The radius of its mark.
    pub reach: f64,
    /// How wide its name is, set in one line.
    pub width: f64,
}

/// Where the name of a point stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// What the name fills.
    pub area: Area,
    /// A line from the mark to the name, where that is not beside it.
    pub leader: Option<[(f64, f64); 2]>,
}

/// A line of the chart, from one end to the other.
pub type Segment = [(f64, f64); 2];

/// Kept free between a name and what stands beside it.
const AIR: f64 = 1.0;
/// From the edge of a mark to its name.
const BESIDE: f64 = 4.0;
/// A name further from its mark is led to it by a line.
const NEAR: f64 = 12.0;
/// From one ring of places to the next.
const RING: f64 = 5.0;
/// What a line under a name, or a leader over a line, is worth in distance.
const OVER_A_LINE: f64 = 14.0;
/// The directions of the places around a point, the best first: right, left, then above and below.
const DIRECTIONS: [(f64, f64); 12] = [
    (1.0, 0.0),
    (-1.0, 0.0),
    (1.0, -1.0),
    (1.0, 1.0),
    (-1.0, -1.0),
    (-1.0, 1.0),
    (0.0, -1.0),
    (0.0, 1.0),
    (0.5, -1.0),
    (0.5, 1.0),
    (-0.5, -1.0),
    (-0.5, 1.0),
];

impl Area {
    /// Whether the two share more than an edge.
    pub fn meets(&self, other: &Area) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    /// How far (x, y) is from it; 0 inside.
    fn distance(&self, (x, y): (f64, f64)) -> f64 {
        let (dx, dy) = self.nearest((x, y));
        (dx - x).hypot(dy - y)
    }

    /// Its point that is nearest to (x, y).
    fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.max(self.left).min(self.right), y.max(self.top).min(self.bottom))
    }

    /// Whether it covers a part of the disc of `point`.
    pub fn covers(&self, point: &Point) -> bool {
        self.distance(point.at) < point.reach
    }

    fn inside(&self, frame: &Area) -> bool {
        self.left >= frame.left
            && self.right <= frame.right
            && self.top >= frame.top
            && self.bottom <= frame.bottom
    }

    fn grown(&self, by: f64) -> Area {
        Area {
            left: self.left - by,
            top: self.top - by,
            right: self.right + by,
            bottom: self.bottom + by,
        }
    }

    /// Whether the line passes through it.
    fn is_crossed(&self, [(x, y), (to_x, to_y)]: Segment) -> bool {
        // The part of the line, from 0 to 1, that lies between both pairs of edges.
        let (mut from, mut to) = (0.0f64, 1.0f64);
        for (start, step, low, high) in
            [(x, to_x - x, self.left, self.right), (y, to_y - y, self.top, self.bottom)]
        {
            if step == 0.0 {
                if start <= low || start >= high {
                    return false;
                }
                continue;
            }
            let (a, b) = ((low - start) / step, (high - start) / step);
            from = from.max(a.min(b));
            to = to.min(a.max(b));
        }
        from < to
    }
}

/// Places the names of `points`, `height` high, inside of `frame`, and where it can be off `lines`. None stands for a
/// name that has no room, or whose point is no number.
pub fn place(points: &[Point], height: f64, lines: &[Segment], frame: Area) -> Vec<Option<Label>> {
    let mut placed: Vec<Option<Label>> = Vec::with_capacity(points.len());
    for point in points {
        let label = best(point, points, height, lines, &placed, frame);
        placed.push(label);
    }
    placed
}

fn best(
    point: &Point,
    points: &[Point],
    height: f64,
    lines: &[Segment],
    placed: &[Option<Label>],
    frame: Area,
) -> Option<Label> {
    let (x, y) = point.at;
    if !(x.is_finite() && y.is_finite() && point.width.is_finite()) {
        return None;
    }
    let free = |area: &Area| {
        let grown = area.grown(AIR);
        area.inside(&frame)
            && !points.iter().any(|other| grown.covers(other))
            && !placed.iter().flatten().any(|other| {
                grown.meets(&other.area) || other.leader.is_some_and(|line| grown.is_crossed(line))
            })
    };
    let weigh = |area: Area, order: usize| -> (f64, Label) {
        let away = area.distance(point.at) - point.reach;
        let leader = (away > NEAR).then(|| [point.at, area.nearest(point.at)]);
        let under = lines.iter().filter(|line| area.is_crossed(**line)).count();
        let over = leader.map_or(0, |leader| {
            let names = placed.iter().flatten().filter(|name| name.area.is_crossed(leader)).count();
            let own = |other: &&Point| other.at != point.at && is_near(other, leader);
            // A line through a name or a mark is the last that is wanted.
            4 * (names + points.iter().filter(own).count())
        });
        let cost = away + 0.3 * order as f64 + OVER_A_LINE * (under + over) as f64;
        (cost, Label { area, leader })
    };
    let centred = |middle: (f64, f64)| Area {
        left: middle.0 - point.width / 2.0,
        top: middle.1 - height / 2.0,
        right: middle.0 + point.width / 2.0,
        bottom: middle.1 + height / 2.0,
    };
    let cheapest = |places: &mut dyn Iterator<Item = (Area, usize)>| {
        let free = places.filter(|(area, _)| free(area));
        free.map(|(area, order)| weigh(area, order)).min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let around = |ring: i32| {
        let gap = point.reach + BESIDE + RING * f64::from(ring);
        DIRECTIONS.iter().enumerate().map(move |(order, &(across, down))| {
            let gap = if across.abs() == 1.0 && down != 0.0 { 0.7 * gap } else { gap };
            let beside = |way: f64, half: f64| match way.abs() == 1.0 {
                true => way * (half + gap),
                false => way * half,
            };
            let middle = (x + beside(across, point.width / 2.0), y + beside(down, height / 2.0));
            (centred(middle), order)
        })
    };
    let anywhere = || {
        let count = |room: f64, own: f64| ((room - own) / RING).clamp(-1.0, 400.0) as i32 + 1;
        let rows = count(frame.bottom - frame.top, height);
        let columns = count(frame.right - frame.left, point.width);
        (0..rows).flat_map(move |row| {
            (0..columns).map(move |column| {
                let (left, top) = (f64::from(column) * RING, f64::from(row) * RING);
                let middle =
                    (frame.left + left + point.width / 2.0, frame.top + top + height / 2.0);
                (centred(middle), 0)
            })
        })
    };
    cheapest(&mut (0..8).flat_map(around))
        .or_else(|| cheapest(&mut anywhere()))
        .map(|(_, label)| label)
}

/// Whether the line passes over the mark of `point`.
fn is_near(point: &Point, [(x, y), (to_x, to_y)]: Segment) -> bool {
    let (px, py) = (point.at.0 - x, point.at.1 - y);
    let (dx, dy) = (to_x - x, to_y - y);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (px - dx * along).hypot(py - dy * along) < point.reach
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Area = Area { left: 42.0, top: 10.0, right: 428.0, bottom: 250.0 };
    const HEIGHT: f64 = 12.0;

    /// Places names and holds what must be: inside, apart from each other, off every mark and every leader.
    fn held(points: &[Point], lines: &[Segment]) -> Vec<Option<Label>> {
        let placed = place(points, HEIGHT, lines, FRAME);
        assert_eq!(placed.len(), points.len());
        let all: Vec<&Label> = placed.iter().flatten().collect();
        for (index, one) in all.iter().enumerate() {
            assert!(one.area.inside(&FRAME), "{one:?}");
            assert!(!points.iter().any(|point| one.area.covers(point)), "under a mark: {one:?}");
            for other in &all[..index] {
                assert!(!one.area.meets(&other.area), "{one:?} {other:?}");
                // A later name is never put on a leader.
                assert!(other.leader.is_none_or(|line| !one.area.is_crossed(line)), "{one:?}");
            }
        }
        placed
    }

    fn at(x: f64, y: f64) -> Point {
        Point { at: (x, y), reach: 4.8, width: 70.0 }
    }

    #[test]
    fn names_stand_beside_their_points_where_there_is_room() {
        let placed = held(&[at(100.0, 100.0), at(300.0, 200.0)], &[]);
        for (label, x) in placed.iter().zip([100.0, 300.0]) {
            let label = label.unwrap();
            assert!(label.area.left > x && label.area.left < x + 12.0 && label.leader.is_none());
        }
    }

    #[test]
    fn a_mark_beside_the_point_moves_the_name() {
        // As MobileNetV2 and DenseNet121 stand in the paper: the second right of the first, where its name would be.
        let placed = held(&[at(200.0, 230.0), at(240.0, 232.0)], &[]);
        assert!(placed.iter().all(|label| label.is_some_and(|label| label.leader.is_none())));
    }

    #[test]
    fn points_at_all_edges_and_corners_have_their_names_inside() {
        let ends = [(FRAME.left, FRAME.top), (FRAME.right, FRAME.bottom)];
        let mut points = Vec::new();
        for x in [ends[0].0, 235.0, ends[1].0] {
            for y in [ends[0].1, 130.0, ends[1].1] {
                points.push(at(x, y));
            }
        }
        assert!(held(&points, &[]).iter().all(Option::is_some));
    }

    #[test]
    fn many_equal_points_are_led_to_their_names_and_a_full_frame_leaves_some_out() {
        let twenty = held(&[at(200.0, 120.0); 20], &[]);
        assert!(twenty.iter().all(Option::is_some));
        assert!(twenty.iter().flatten().any(|label| label.leader.is_some()));
        let crowd = held(&vec![at(42.0, 250.0); 200], &[]);
        let shown = crowd.iter().flatten().count();
        assert!((40..200).contains(&shown), "{shown}");
    }

    #[test]
    fn a_column_and_a_row_of_points_keep_their_names() {
        let column: Vec<Point> = (0..15).map(|i| at(410.0, 20.0 + 14.0 * f64::from(i))).collect();
        assert!(held(&column, &[]).iter().all(Option::is_some));
        let row: Vec<Point> = (0..15).map(|i| at(60.0 + 24.0 * f64::from(i), 240.0)).collect();
        assert!(held(&row, &[]).iter().all(Option::is_some));
    }

    #[test]
    fn names_avoid_lines_where_they_can() {
        let line = [(200.0, 100.0), (420.0, 100.0)];
        let label = held(&[at(200.0, 100.0)], &[line])[0].unwrap();
        assert!(!label.area.is_crossed(line), "{label:?}");
    }

    #[test]
    fn what_is_no_number_or_wider_than_the_frame_has_no_name() {
        let wide = Point { width: 900.0, ..at(100.0, 100.0) };
        assert_eq!(held(&[at(f64::NAN, 1.0), wide], &[]), [None, None]);
        assert!(place(&[], HEIGHT, &[], FRAME).is_empty());
    }
}
