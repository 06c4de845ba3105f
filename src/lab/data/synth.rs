//! Synthetic mammograms: breasts with tissue of a power-law spectrum, glands, ducts and ligaments,
//! and in one breast of each patient a mass with its outline. Made so that nothing needs to be
//! downloaded; they are no model of disease.
//!
//! The layout is the general one: `mass/P001_L.png`, `mass/P001_L_mask.png`, `normal/P001_R.png`,
//! and `patients.csv`, since the two breasts of a patient belong on one side of a split.

use std::collections::BTreeSet;
use std::f32::consts::{PI, TAU};
use std::path::Path;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::texture::{Noise, step};
use crate::draw;
use crate::error::{Error, Result};
use crate::files;
use crate::nets::images::Grey;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynthOptions {
    /// Each gives one image with a mass and one without. 1 to a million.
    pub patients: usize,
    /// Rows of an image, 64 to 4096; it has three quarters as many columns.
    pub size: usize,
    /// Fixes every pixel.
    pub seed: u64,
}

impl Default for SynthOptions {
    fn default() -> Self {
        SynthOptions { patients: 100, size: 384, seed: 0 }
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Synthesis {
    /// Patients.
    pub patients: usize,
    /// Images with a mass.
    pub abnormal: usize,
    /// Images without.
    pub normal: usize,
    /// Columns of each image.
    pub width: usize,
    /// Rows of each image.
    pub height: usize,
}

/// Writes the set into `out`; the same options give the same bytes.
///
/// # Errors
/// [`Error::Usage`] for options out of range, [`Error::Content`] when `out` holds images of another
/// run, [`Error::File`] when it cannot be written.
pub fn synthesize(out: &Path, options: &SynthOptions) -> Result<Synthesis> {
    if options.patients == 0 {
        return Err(Error::usage("no patients were asked for", "ask for 1 or more"));
    }
    if options.patients > MOST_PATIENTS {
        let problem = format!("{} patients are more than a disk holds", options.patients);
        return Err(Error::usage(problem, format!("ask for 1 to {MOST_PATIENTS}")));
    }
    if !(64..=4096).contains(&options.size) {
        let problem = format!("an image of {} rows cannot be made", options.size);
        return Err(Error::usage(problem, "ask for 64 to 4096 rows"));
    }
    let patients: Vec<Patient> =
        (1..=options.patients).map(|number| Patient::draw(number, options.seed)).collect();
    refuse_other_images(out, &patients)?;
    for folder in FOLDERS {
        files::create_folder(&out.join(folder))?;
    }
    let mut table = String::from("image,patient\n");
    for patient in &patients {
        for folder in FOLDERS {
            let (name, on_left) = patient.image(folder);
            let mut random = draw::stream(options.seed, &name);
            let mut film = Film::draw(options.size, patient.tissue, &mut random);
            if folder == MASS {
                let mass = Mass::draw(&film, &mut random);
                let mask = film.add(&mass);
                turned(mask, on_left).write(out.join(format!("{folder}/{name}_mask.png")))?;
            }
            let path = format!("{folder}/{name}.png");
            turned(film.develop(&mut random), on_left).write(out.join(&path))?;
            table.push_str(&format!("{path},{}\n", patient.name));
        }
    }
    files::write(&out.join(TABLE), table.as_bytes())?;
    let (patients, height) = (options.patients, options.size);
    Ok(Synthesis { patients, abnormal: patients, normal: patients, width: columns(height), height })
}

/// Two images of each.
const MOST_PATIENTS: usize = 1_000_000;

/// The files that [`synthesize`] writes, below its folder.
pub fn file_names(options: &SynthOptions) -> Vec<String> {
    let mut files = vec!["patients.csv".to_owned()];
    for number in 1..=options.patients {
        let patient = Patient::draw(number, options.seed);
        for folder in FOLDERS {
            let name = patient.image(folder).0;
            files.push(format!("{folder}/{name}.png"));
            if folder == MASS {
                files.push(format!("{folder}/{name}_mask.png"));
            }
        }
    }
    files
}

/// The folder of images with a mass, and both.
const MASS: &str = "mass";
/// Which image is of whom.
const TABLE: &str = "patients.csv";
const FOLDERS: [&str; 2] = [MASS, "normal"];

/// Someone with a mass in one breast.
struct Patient {
    name: String,
    tissue: Tissue,
    mass_on_left: bool,
}

impl Patient {
    fn draw(number: usize, seed: u64) -> Self {
        let name = format!("P{number:03}");
        let mut random = draw::stream(seed, &name);
        Patient { name, tissue: Tissue::draw(&mut random), mass_on_left: random.random() }
    }

    /// The name of the image in `folder`, and whether it is of the left breast.
    fn image(&self, folder: &str) -> (String, bool) {
        let on_left = self.mass_on_left == (folder == MASS);
        (format!("{}_{}", self.name, if on_left { "L" } else { "R" }), on_left)
    }
}

/// Images of another run would be taken for part of this one, and the table of another set be lost.
fn refuse_other_images(out: &Path, patients: &[Patient]) -> Result<()> {
    // The table is written last, so that ours stands beside our folders.
    if out.join(TABLE).exists() && !FOLDERS.iter().all(|folder| out.join(folder).is_dir()) {
        let hint = "give an empty folder";
        return Err(Error::content(out, format!("holds the {TABLE} of another set"), hint));
    }
    for folder in FOLDERS {
        // What cannot be listed is not there yet, or is refused on writing.
        let Ok(entries) = std::fs::read_dir(out.join(folder)) else { continue };
        let own: BTreeSet<String> =
            patients.iter().map(|patient| patient.image(folder).0).collect();
        for path in entries.flatten().map(|entry| entry.path()) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let is_png = path.extension().is_some_and(|extension| extension == "png");
            if is_png && !own.contains(stem.trim_end_matches("_mask")) {
                let hint = "give an empty folder, or remove them";
                return Err(Error::content(out, format!("holds other images, {stem}.png"), hint));
            }
        }
    }
    Ok(())
}

fn columns(rows: usize) -> usize {
    rows * 3 / 4
}

/// A left breast has its chest wall on the left, a right one on the right.
fn turned(mut image: Grey, on_left: bool) -> Grey {
    if !on_left {
        image.pixels.chunks_exact_mut(image.width).for_each(<[u8]>::reverse);
    }
    image
}

/// What the two breasts of a patient have in common.
#[derive(Clone, Copy)]
struct Tissue {
    /// Share of glandular tissue, from fatty to dense.
    density: f32,
    /// Length and half-width of the breast, as shares of the film's columns and rows.
    shape: (f32, f32),
    /// Exponent of the power spectrum.
    beta: f32,
}

impl Tissue {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        Tissue {
            density: random.random_range(0.2..0.8),
            shape: (random.random_range(0.72..0.95), random.random_range(0.38..0.47)),
            beta: random.random_range(2.8..3.3),
        }
    }
}

/// An image being made: the depth inside the breast and the brightness, both row by row.
struct Film {
    width: usize,
    height: usize,
    /// 0 outside and at the skin, rising to 1 in the middle of the breast.
    depth: Vec<f32>,
    /// 0 black to 1 white.
    light: Vec<f32>,
}

impl Film {
    fn draw(height: usize, tissue: Tissue, random: &mut ChaCha8Rng) -> Self {
        let width = columns(height);
        let noises: [Noise; 5] = std::array::from_fn(|_| Noise::new(random.random()));
        let [outline, coarse, fine, ligaments, ducts] = noises;
        let rows = height as f32;
        let nipple_row = random.random_range(0.44..0.56f32);
        let (length, half) = (tissue.shape.0 * 0.75, tissue.shape.1);
        let mut film = Film { width, height, depth: Vec::new(), light: Vec::new() };
        for y in 0..height {
            for x in 0..width {
                // Lengths from here on are shares of the film's rows.
                let (u, v) = (x as f32 / rows, y as f32 / rows);
                let across = (v - nipple_row) / half;
                let wobble = 0.03 * outline.power_law(u * 3.0, v * 3.0, 3, 3.5);
                let radius = ((u / length).powi(2) + across.powi(2)).sqrt() + wobble;
                let inside = 1.0 - radius;
                if inside <= 0.0 {
                    film.depth.push(0.0);
                    film.light.push(0.0);
                    continue;
                }
                let depth = step(0.0, 0.3, inside);
                let skin = step(0.0, 0.012, inside) * (1.0 - step(0.012, 0.03, inside));
                // Glands lie in the middle, thin out to the skin and to the chest wall.
                let gland_noise = coarse.power_law(u * 7.0, v * 7.0, 7, tissue.beta);
                let middle = 1.0 - ((u / length - 0.5).powi(2) * 2.2 + across.powi(2) * 1.6);
                let gland = step(0.0, 1.3, gland_noise + middle + 1.6 * (tissue.density - 0.6));
                let texture = fine.power_law(u * 14.0, v * 14.0, 6, tissue.beta);
                let thread = ligaments.threads(u * 9.0, v * 9.0, 4, 0.07);
                // Ducts run to the nipple: noise that is stretched along the rays from it.
                let (to_x, to_y) = (length - u, v - nipple_row);
                let (angle, way) = (to_y.atan2(to_x.max(1e-3)), to_x.hypot(to_y));
                let duct = ducts.threads(angle * 7.0, way * 3.0, 3, 0.06) * step(0.5, 0.1, way);
                let tissue_light = 0.24
                    + 0.30 * gland
                    + (0.05 + 0.05 * gland) * texture
                    + 0.05 * thread
                    + 0.07 * duct * (0.4 + gland);
                film.depth.push(depth);
                film.light.push(depth.sqrt() * tissue_light + 0.10 * skin);
            }
        }
        film
    }

    /// Adds a mass and returns its outline, filled.
    fn add(&mut self, mass: &Mass) -> Grey {
        let mut mask = Grey::filled(self.width, self.height, 0);
        for y in 0..self.height {
            for x in 0..self.width {
                let index = y * self.width + x;
                let (inside, light) = mass.at(x as f32, y as f32);
                // A mass near the skin ends there.
                let depth = self.depth[index];
                self.light[index] += light * depth.sqrt();
                mask.pixels[index] = if inside && depth > 0.0 { 255 } else { 0 };
            }
        }
        mask
    }

    /// The film in 8 bits, with the grain of few X-rays.
    fn develop(&self, random: &mut ChaCha8Rng) -> Grey {
        let pixels = self.light.iter().map(|light| {
            // The sum of three uniform draws is near enough to a normal one.
            let grain: f32 = (0..3).map(|_| random.random_range(-1.0..1.0f32)).sum();
            let noisy = light + grain * (0.004 + 0.010 * light.max(0.0).sqrt());
            (noisy * 255.0).round().clamp(0.0, 255.0) as u8
        });
        Grey { width: self.width, height: self.height, pixels: pixels.collect() }
    }
}

/// A star-shaped mass: a radius for every direction.
struct Mass {
    centre: (f32, f32),
    /// Radius in pixels of each of the directions, evenly around.
    outline: Vec<f32>,
    /// Reach of spicules beyond the outline, in the same directions and unit.
    spicules: Vec<f32>,
    /// Brightness added in the middle.
    light: f32,
    /// Width of the edge as a share of the radius.
    blur: f32,
    texture: Noise,
}

/// Directions in an outline.
const DIRECTIONS: usize = 720;

impl Mass {
    fn draw(film: &Film, random: &mut ChaCha8Rng) -> Self {
        let rows = film.height as f32;
        let radius = rows * 0.035 * (random.random_range(0.0..1.0f32) * 1.25).exp();
        let mut harmonics = Vec::new();
        let roughness = random.random_range(0.6..1.4f32);
        for harmonic in 2..14 {
            let size = roughness * random.random_range(0.0..0.34f32) / (harmonic as f32).powf(1.1);
            harmonics.push((harmonic as f32, size, random.random_range(0.0..TAU)));
        }
        let outline = around(|angle| {
            let bulge: f32 = harmonics.iter().map(|(n, a, p)| a * (n * angle + p).cos()).sum();
            radius * (1.0 + bulge).max(0.35)
        });
        let mut spicules = vec![0.0f32; DIRECTIONS];
        if random.random_bool(0.4) {
            for _ in 0..random.random_range(8..18) {
                let (at, reach) = (random.random_range(0.0..TAU), random.random_range(0.3..1.1f32));
                let width = random.random_range(0.03..0.07f32);
                for (spicule, angle) in spicules.iter_mut().zip(directions()) {
                    let off = (angle - at + PI).rem_euclid(TAU) - PI;
                    *spicule = spicule.max(radius * reach * (1.0 - (off / width).abs()).max(0.0));
                }
            }
        }
        Mass {
            centre: Self::place(film, radius * 1.3, random),
            outline,
            spicules,
            light: random.random_range(0.12..0.28),
            blur: random.random_range(0.12..0.40),
            texture: Noise::new(random.random()),
        }
    }

    /// Somewhere in the breast, `margin` pixels or more from the edges of the film.
    fn place(film: &Film, margin: f32, random: &mut ChaCha8Rng) -> (f32, f32) {
        let (width, height) = (film.width as f32, film.height as f32);
        let mut best = (-1.0, (width * 0.3, height * 0.5));
        for _ in 0..200 {
            let x = random.random_range(margin..width - margin);
            let y = random.random_range(margin..height - margin);
            let depth = film.depth[y as usize * film.width + x as usize];
            if depth > best.0 {
                best = (depth, (x, y));
            }
            if depth > 0.8 {
                break;
            }
        }
        best.1
    }

    /// Whether a pixel is inside the outline, and the light that the mass adds there.
    fn at(&self, x: f32, y: f32) -> (bool, f32) {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let distance = dx.hypot(dy);
        let turn = dy.atan2(dx).rem_euclid(TAU) / TAU;
        let direction = (turn * DIRECTIONS as f32) as usize % DIRECTIONS;
        let (radius, spicule) = (self.outline[direction], self.spicules[direction]);
        let ratio = distance / radius;
        if distance > (radius + spicule) * 1.5 {
            return (false, 0.0);
        }
        let edge = 1.0 - step(1.0 - self.blur, 1.0 + self.blur, ratio);
        let mottle = 1.0 + 0.18 * self.texture.power_law(x / radius, y / radius, 4, 2.6);
        let body = edge * mottle * (1.0 - 0.25 * ratio.min(1.0).powi(2));
        let thread = if spicule > 0.0 && ratio > 1.0 {
            0.45 * (1.0 - (distance - radius) / spicule).clamp(0.0, 1.0)
        } else {
            0.0
        };
        (ratio <= 1.0, self.light * body.max(thread))
    }
}

fn directions() -> impl Iterator<Item = f32> {
    (0..DIRECTIONS).map(|direction| direction as f32 * TAU / DIRECTIONS as f32)
}

fn around(radius: impl Fn(f32) -> f32) -> Vec<f32> {
    directions().map(radius).collect()
}
