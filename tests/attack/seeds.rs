//! Valid files of every kind, small, as the mutations begin with: made here, or those of Keras that stand in
//! `tests/fixtures/weights`.

use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use hdf5_pure::{AttrValue, FileBuilder};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::encoder::Encoder;

/// A file, and what is done to its damaged content before a parser gets it: damage within a gzip file is found by
/// its checksum, and never gets further.
pub struct Seed {
    pub bytes: Vec<u8>,
    pub wrap: fn(Vec<u8>) -> Vec<u8>,
}

impl From<Vec<u8>> for Seed {
    fn from(bytes: Vec<u8>) -> Self {
        Seed { bytes, wrap: |bytes| bytes }
    }
}

/// The seeds of the target `name`.
pub fn of(name: &str) -> Vec<Seed> {
    let plain = |files: Vec<Vec<u8>>| files.into_iter().map(Seed::from).collect();
    match name {
        "weights" => weights(),
        "model" => plain(MODELS.iter().map(|name| configuration(name)).collect()),
        "state" => vec![
            Seed::from(state(text(&progress()))),
            Seed { bytes: text(&progress()), wrap: state },
        ],
        "film" => plain((1..=7).map(film).collect()),
        "gzip" => vec![
            Seed::from(gzip(OVERLAY.as_bytes().to_vec())),
            Seed { bytes: OVERLAY.as_bytes().to_vec(), wrap: gzip },
        ],
        "ics" => plain(vec![ICS.as_bytes().to_vec()]),
        "overlay" => plain(vec![OVERLAY.as_bytes().to_vec(), b"10 20 2 4 6 0 #\n".to_vec()]),
        "info" => plain(INFO.iter().map(|text| text.as_bytes().to_vec()).collect()),
        "dicom" => plain(vec![dicom(8), dicom(16)]),
        "cases" => plain(vec![CASES.as_bytes().to_vec()]),
        "patients" => plain(vec![
            b"image,patient\na/b.png,1\n\"c, d.png\",\"2\"\n".to_vec(),
            b"image;patient\nx.png;1\n".to_vec(),
            "\u{feff}image\tpatient\nx.png\t1\n".as_bytes().to_vec(),
        ]),
        "picture" => pictures(),
        "results" | "report" => plain(vec![text(&results())]),
        "comparison" => plain(vec![text(&comparison())]),
        "segmentation" => plain(vec![text(&segmentation())]),
        "tables" => plain(TABLES.iter().map(|table| table.as_bytes().to_vec()).collect()),
        "tuning" => plain(vec![text(&tuning())]),
        "bench" => plain(vec![text(&bench())]),
        "pipelines" => plain(vec![b"parula pipelines 0123456789abcdef 0123\nabc".to_vec()]),
        other => panic!("no seeds for {other}"),
    }
}

/// Models of many kinds of layers, and of models in models.
const MODELS: [&str; 4] = ["nested-twice", "merges", "shapes", "shared"];

/// The configuration of a model of `tests/imported`.
fn configuration(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/imported/{name}.keras"));
    let mut archive = zip::ZipArchive::new(Cursor::new(std::fs::read(path).unwrap())).unwrap();
    let mut content = Vec::new();
    std::io::copy(&mut archive.by_name("config.json").unwrap(), &mut content).unwrap();
    content
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// `bytes` as a gzip file.
pub fn gzip(bytes: Vec<u8>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

/// A `.keras` archive around the weights in `inner`.
pub fn keras(inner: Vec<u8>) -> Vec<u8> {
    archive(inner, CompressionMethod::Stored)
}

/// The same, deflated.
pub fn deflated_keras(inner: Vec<u8>) -> Vec<u8> {
    archive(inner, CompressionMethod::Deflated)
}

fn archive(inner: Vec<u8>, method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in [("config.json", &b"{}"[..]), ("model.weights.h5", &inner)] {
        archive.start_file(name, options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A safetensors file of `tensors` with `metadata` as ours.
pub fn safetensors(tensors: &[(&str, &[usize])], metadata: &Value) -> Vec<u8> {
    let views = tensors.iter().map(|(name, shape)| {
        let bytes = vec![0u8; 4 * shape.iter().product::<usize>()];
        (name.to_string(), shape.to_vec(), bytes)
    });
    let views: Vec<_> = views.collect();
    let views = views.iter().map(|(name, shape, bytes)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let metadata = [("parula".to_owned(), metadata.to_string())].into();
    safetensors::serialize(views, Some(metadata)).unwrap()
}

/// An HDF5 file as Keras 3 lays it out; `layers` datasets of `numbers` each, deflated or not.
pub fn hdf5(layers: usize, numbers: usize, deflated: bool) -> Vec<u8> {
    let mut file = FileBuilder::new();
    let mut all = file.create_group("layers");
    for layer in 0..layers {
        let mut group = all.create_group(&format!("dense_{layer}"));
        let mut variables = group.create_group("vars");
        variables.set_attr("name", AttrValue::VarLenString(format!("fc{layer}")));
        let dataset = variables.create_dataset("0");
        dataset.with_f32_data(&vec![0.0; numbers]).with_shape(&[numbers as u64 / 2, 2]);
        if deflated {
            dataset.with_chunks(&[numbers as u64 / 4, 2]).with_deflate(9);
        }
        group.add_group(variables.finish());
        all.add_group(group.finish());
    }
    file.add_group(all.finish());
    file.finish().unwrap()
}

/// An HDF5 file whose headers have the checksums of what stands in them, as far as they can be found.
pub fn summed_hdf5(mut bytes: Vec<u8>) -> Vec<u8> {
    for at in 0..bytes.len().saturating_sub(16) {
        let end = match &bytes[at..at + 6] {
            [0x89, b'H', b'D', b'F', ..] if matches!(bytes[at + 8], 2 | 3) => Some(at + 44),
            [b'O', b'H', b'D', b'R', 2, flags] => {
                let times = if flags & 32 == 0 { 0 } else { 16 };
                let phases = if flags & 16 == 0 { 0 } else { 4 };
                let (size, from) = (1 << (flags & 3), at + 6 + times + phases);
                let number = bytes.get(from..from + size);
                number.and_then(|number| {
                    let length =
                        number.iter().rev().fold(0usize, |all, &byte| all << 8 | usize::from(byte));
                    from.checked_add(size)?.checked_add(length)
                })
            }
            _ => None,
        };
        let Some(end) = end.filter(|end| end.saturating_add(4) <= bytes.len()) else { continue };
        let sum = lookup3(&bytes[at..end]).to_le_bytes();
        bytes[end..end + 4].copy_from_slice(&sum);
    }
    bytes
}

/// Bob Jenkins's hash of 2006, which is HDF5's checksum.
fn lookup3(mut key: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(key.len() as u32);
    let mut s = [start; 3];
    // s[to] changes by s[by], and then that by the third.
    let mut mix = |key: &[u8], last: bool| {
        for (part, sum) in key.chunks(4).zip(&mut s) {
            let mut word = [0; 4];
            word[..part.len()].copy_from_slice(part);
            *sum = sum.wrapping_add(u32::from_le_bytes(word));
        }
        let [mut a, mut b, mut c] = s;
        if last {
            let step =
                |x: &mut u32, y: u32, turn: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(turn));
            step(&mut c, b, 14);
            step(&mut a, c, 11);
            step(&mut b, a, 25);
            step(&mut c, b, 16);
            step(&mut a, c, 4);
            step(&mut b, a, 14);
            step(&mut c, b, 24);
        } else {
            let step = |x: &mut u32, y: &mut u32, z: u32, turn: u32| {
                *x = x.wrapping_sub(*y) ^ y.rotate_left(turn);
                *y = y.wrapping_add(z);
            };
            step(&mut a, &mut c, b, 4);
            step(&mut b, &mut a, c, 6);
            step(&mut c, &mut b, a, 8);
            step(&mut a, &mut c, b, 16);
            step(&mut b, &mut a, c, 19);
            step(&mut c, &mut b, a, 4);
        }
        s = [a, b, c];
    };
    while key.len() > 12 {
        mix(&key[..12], false);
        key = &key[12..];
    }
    if !key.is_empty() {
        mix(key, true);
    }
    s[2]
}

fn weights() -> Vec<Seed> {
    let fixture = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights");
        std::fs::read(folder.join(name)).unwrap()
    };
    let metadata = json!({"model": "compact-resnet", "classes": "2", "input": "64x64"});
    let tensors: [(&str, &[usize]); 4] = [
        ("conv/kernel", &[3, 3, 1, 4]),
        ("conv/bias", &[4]),
        ("predictions/kernel", &[4, 2]),
        ("predictions/bias", &[2]),
    ];
    let files = ["flat.h5", "flat.keras", "keras2.h5", "nested.h5", "nested.weights.h5"];
    let mut seeds: Vec<Seed> = files.map(|name| Seed::from(fixture(name))).into();
    seeds.extend([
        safetensors(&tensors, &metadata).into(),
        hdf5(3, 64, false).into(),
        Seed { bytes: hdf5(3, 64, false), wrap: summed_hdf5 },
        Seed { bytes: hdf5(2, 512, true), wrap: summed_hdf5 },
        hdf5(2, 512, true).into(),
        Seed { bytes: fixture("nested.weights.h5"), wrap: keras },
        Seed { bytes: hdf5(2, 512, true), wrap: deflated_keras },
    ]);
    seeds
}

fn progress() -> Value {
    let record =
        json!({"epoch": 1, "loss": 0.5, "accuracy": 0.5, "val_loss": 0.5, "val_accuracy": 0.5});
    json!({"records": [record, record], "seconds": 1.5,
        "loss_scale": {"factor": 32768.0, "good": 3, "skipped": 1}})
}

/// The state of a training that has come as far as `progress` says.
fn state(progress: Vec<u8>) -> Vec<u8> {
    let progress = String::from_utf8_lossy(&progress).into_owned();
    let metadata = json!({"progress": progress, "configuration": "{\"seed\": 1}"});
    safetensors(&[("now/conv/kernel", &[3, 3]), ("memory/conv/kernel/m", &[3, 3])], &metadata)
}

fn film(predictor: u8) -> Vec<u8> {
    let pixels: Vec<u16> = (0..40 * 30).map(|i: u32| (i * i % 4093) as u16).collect();
    let restart_rows = usize::from(predictor % 3);
    let encoder = Encoder { predictor, restart_rows, ..Encoder::default() };
    encoder.encode(&pixels, 40, 30)
}

/// As published, and as tables made of it.
const INFO: [&str; 2] = [
    "  MINI DATABASE\n\n1st column: reference number.\n====\nmdb001 G CIRC B 535 425 197\nmdb003 D NORM \n\
     mdb005 F CIRC B 477 133 30\nmdb005 F SPIC M 500 168 26\nmdb059 F CIRC B\nmdb216 D CALC M *NOTE 3* \n",
    ",REFNUM,BG,CLASS,SEVERITY,X,Y,RADIUS\n0,mdb001,G,CIRC,B,535.0,425.0,197.0\n1,mdb003,D,NORM,,NaN,NaN,NaN\n",
];

const ICS: &str = "ics_version 1.0\r\nfilename A-1141-1\r\nDIGITIZER LUMISYS LASER\r\nSEQUENCE\r\n\
    LEFT_CC LINES 4646 PIXELS_PER_LINE 2986 BITS_PER_PIXEL 12 RESOLUTION 50 OVERLAY\r\n\
    RIGHT_CC LINES 4656 PIXELS_PER_LINE 2991 BITS_PER_PIXEL 12 RESOLUTION 50 NON_OVERLAY\r\n";

const OVERLAY: &str = "TOTAL_ABNORMALITIES 2\r\nABNORMALITY 1\r\n\
    LESION_TYPE MASS SHAPE OVAL MARGINS CIRCUMSCRIBED\r\nASSESSMENT 4\r\nSUBTLETY 5\r\n\
    PATHOLOGY MALIGNANT\r\nTOTAL_OUTLINES 2\r\nBOUNDARY\r\n10 20 2 2 3 4 4 5 6 6 7 0 0 1 #\r\n\
    \tCORE\r\n11 21 2 4 6 0 #\r\nABNORMALITY 2\r\nPATHOLOGY BENIGN\r\nTOTAL_OUTLINES 1\r\n\
    BOUNDARY\r\n30 40 4 2\r\n0 6 #\r\n";

const CASES: &str = "patient_id,breast_density,left or right breast,image view,abnormality id,\
    abnormality type,mass shape,mass margins,assessment,pathology,subtlety,image file path,\
    cropped image file path,ROI mask file path\n\
    P_00001,3,LEFT,CC,1,mass,OVAL,SPICULATED,4,MALIGNANT,4,A/B/0.dcm,D/E/0.dcm,\"D/E/1.dcm\n\"\n\
    P_2,3,RIGHT,MLO,1,calcification,,,4,BENIGN,4,a/b/c,b,c\n";

/// Explicit little endian, 6 x 4.
fn dicom(bits: u16) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut put = |tag: (u16, u16), kind: &[u8; 2], value: &[u8]| {
        bytes.extend(tag.0.to_le_bytes());
        bytes.extend(tag.1.to_le_bytes());
        bytes.extend(kind);
        if kind[0] == b'O' {
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        } else {
            bytes.extend((value.len() as u16).to_le_bytes());
        }
        bytes.extend(value);
    };
    put((2, 0x10), b"UI", b"1.2.840.10008.1.2.1\0");
    for (element, value) in [(2, 1), (0x10, 4), (0x11, 6), (0x100, bits), (0x101, bits), (0x103, 0)]
    {
        put((0x28, element), b"US", &u16::to_le_bytes(value));
    }
    put((0x28, 4), b"CS", b"MONOCHROME2 ");
    put((0x7fe0, 0x10), b"OW", &vec![7; 24 * usize::from(bits) / 8]);
    bytes
}

fn pictures() -> Vec<Seed> {
    let grey = image::GrayImage::from_fn(24, 16, |x, y| image::Luma([(x * 7 + y * 5) as u8]));
    let colour = image::RgbImage::from_fn(17, 9, |x, y| image::Rgb([x as u8, y as u8, 9]));
    let encoded = |format: ImageFormat| {
        let mut bytes = Cursor::new(Vec::new());
        grey.write_to(&mut bytes, format).unwrap();
        let mut second = Cursor::new(Vec::new());
        colour.write_to(&mut second, format).unwrap();
        [bytes.into_inner(), second.into_inner()]
    };
    let mut deep = Vec::new();
    let levels: Vec<u8> = (0..32).collect();
    PngEncoder::new(&mut deep).write_image(&levels, 4, 4, ExtendedColorType::L16).unwrap();
    let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff];
    let files: Vec<Vec<u8>> =
        formats.into_iter().flat_map(encoded).chain([deep]).chain(grey_maps()).collect();
    let mut seeds = Vec::new();
    for bytes in files {
        if bytes.starts_with(b"\x89PNG") {
            seeds.push(Seed { bytes: bytes.clone(), wrap: summed });
        }
        seeds.push(Seed::from(bytes));
    }
    seeds
}

/// PGMs: raw and plain, of one byte a level and of two, with comments.
fn grey_maps() -> Vec<Vec<u8>> {
    let levels = |step: usize| (0..12 * 5).map(move |at| at * step);
    let raw = levels(4).map(|level| level as u8);
    let wide = levels(60).flat_map(|level| (level as u16).to_be_bytes());
    let plain = |step| levels(step).map(|level| format!("{level} ")).collect::<String>();
    vec![
        b"P5\n# made by hand\n12 5\n255\n".iter().copied().chain(raw).collect(),
        b"P5 12 5 4095\n".iter().copied().chain(wide).collect(),
        format!("P2\n12 5 # wide and high\n255\n{}", plain(4)).into_bytes(),
        format!("P2 12 5 4095\n{}", plain(60)).into_bytes(),
    ]
}

/// A PNG whose checksums fit its chunks again, as far as these can be found.
fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        let Some(chunk) = bytes.get(at + 4..end) else { break };
        let mut sum = flate2::Crc::new();
        sum.update(chunk);
        let sum = sum.sum().to_be_bytes();
        match bytes.get_mut(end..end + 4) {
            Some(place) => place.copy_from_slice(&sum),
            None => break,
        }
        at = end + 4;
    }
    bytes
}

fn interval() -> Value {
    json!({"mean": 0.5, "low": 0.25, "high": 0.75, "seeds": 3, "patients": 647, "too_few": true})
}

/// Shared by all results.
fn dataset() -> Value {
    json!({"abnormal": 6, "normal": 6, "train": 10, "validation": 2, "leakage": 0,
           "fingerprint": "1c8fd30ce87abcc4",
           "duplicates": {"groups": 0, "images": 0, "contradictions": 0, "dropped": 0}})
}

fn intervals() -> Value {
    json!({"method": "bootstrap", "resamples": 2000, "level": 0.95})
}

/// `results.json` of an experiment.
pub fn results() -> Value {
    let trivial = json!({"ones": 0.5, "gaussian": 0.6, "ellipse": 0.8});
    let (sign, scaling) = ("for", "relu-max");
    let run = json!({
        "model": "compact-resnet", "seed": 0, "val_acc": 0.5, "mean_dice": 0.2,
        "mean_dice_validation": 0.1,
        "ways": [{"sign": sign, "normalisation": scaling, "mean_dice": 0.2, "mean_dice_validation": 0.1}],
        "cam_val_acc": 0.5, "mask_val_acc": null, "inverse_mask_val_acc": null,
        "retrained": [{"phase": "cam", "val_acc": 0.5, "epochs": 1, "best_epoch": 1, "black_normal": 0,
                       "black_abnormal": 0, "seconds": 1.5}],
        "epochs": 1, "best_epoch": 1, "best_threshold": 17, "dice_at_best_threshold_validation": 0.1,
        "empty_heatmaps": 3, "seconds": 17.5, "dice_curve": vec![0.25; 256],
    });
    let way = json!({"sign": sign, "normalisation": scaling, "mean_dice": interval(),
                     "mean_dice_validation": interval()});
    let summary = json!({
        "model": "compact-resnet", "seeds": 1, "val_acc": interval(), "mean_dice": interval(),
        "mean_dice_validation": interval(), "dice_at_best_threshold_validation": interval(),
        "cam_val_acc": interval(), "mask_val_acc": null, "inverse_mask_val_acc": null,
        "ways": [way], "epochs": 1.0, "seconds": 17.5,
    });
    json!({
        "version": "0.1.0", "adapter": "an adapter", "tuning": "none", "precision": "f32",
        "config": {"data": "synthetic", "models": ["compact-resnet"], "seeds": [0], "seed": 0, "whole": false,
                   "experiments": [1], "training": {"compact-resnet": {"epochs": 1, "learning_rate": 0.002}}},
        "dataset": dataset(), "baselines": trivial, "baselines_validation": trivial,
        "baselines_at_best_threshold_validation": trivial, "explained_class": "abnormal",
        "intervals": intervals(), "runs": [run], "summary": [summary],
        "rank_correlations": [{"first": "mean_dice", "second": "cam_val_acc", "models": 3, "rho": interval()}],
    })
}

/// `compare.json`.
fn comparison() -> Value {
    let values = json!({"mean_dice": 0.5, "dice": 0.25, "road": null});
    let unit = |method: &str, trivial: bool| {
        json!({"model": "compact-resnet", "seed": 0, "method": method, "trivial": trivial, "val_acc": 0.5,
               "threshold": 17, "training_rois": 10, "rois": 2, "faithfulness_rois": 2, "empty": 0,
               "values": values, "retrained": null, "seconds_a_heatmap": 0.5,
               "seconds_a_faithfulness": null, "seconds": 2.5})
    };
    let over = |method: &str, trivial: bool, rank: usize| {
        json!({"model": "compact-resnet", "method": method, "trivial": trivial, "rank": rank, "seeds": 1,
               "values": {"mean_dice": interval(), "road": null}})
    };
    json!({
        "version": "0.1.0", "adapter": "an adapter", "tuning": "none",
        "config": {"data": "synthetic", "models": ["compact-resnet"], "methods": ["gradcam"], "seeds": [0],
                   "rank_by": "mean_dice", "settings": {"seed": 0, "steps": 2},
                   "training": {"compact-resnet": {"epochs": 1}}},
        "dataset": dataset(), "explained_class": "abnormal",
        "metrics": [{"name": "mean_dice", "title": "mean-Dice", "about": "Dice", "better": "higher"}],
        "intervals": intervals(), "units": [unit("gradcam", false), unit("ones", true)],
        "summary": [over("gradcam", false, 1), over("ones", true, 2)],
    })
}

/// `results.json` of masks from labels.
fn segmentation() -> Value {
    let recipe = serde_json::to_value(parula::lab::segment::Recipe::rois()).unwrap();
    json!({
        "version": "0.1.0", "adapter": "an adapter", "tuning": "none",
        "config": {"data": "synthetic", "whole": false, "classifier": "compact-resnet", "training": null,
                   "segmenter": "compact-unet", "segmenter_training": {"epochs": 1}, "recipe": recipe,
                   "seed": 0},
        "dataset": dataset(), "intervals": intervals(),
        "seeds": [{"seed": 0, "val_acc": 0.5, "cam_threshold": 17, "weak_losses": [0.5, 0.25],
                   "supervised_losses": [0.5], "seconds": 2.5}],
        "summary": [{"origin": "weak", "dice": interval(), "iou": interval(), "over_ellipse": interval()}],
    })
}

const TABLES: [&str; 7] = [
    "name,split,mean_dice,dice_at_best_threshold,for_min_max,for_max,against_relu_max,against_min_max,\
     against_max\na,train,0.5,0.5,0.25,0.5,0.125,0.5,0.25\nb,validation,0.5,0.5,0.25,0.5,0.125,0.5,1\n",
    "name,split,mean_dice,dice_at_best_threshold,for_min_max,for_max,against_relu_max,against_min_max,\
     against_max,iou,hausdorff_95,average_surface_distance,surface_dice,lesions,false_areas,peak,patient\n\
     a,train,0.5,0.5,0.25,0.5,0.125,0.5,0.25,0.25,12.5,4.25,0.125,1,2,3.5,p\nb,validation,0.5,0.5,0.25,0.5,\
     0.125,0.5,1,0,,,0,1,0,0,q\n",
    "name,split,lesion,pixels,diameter,x,y,coverage,dice,iou,hausdorff_95,average_surface_distance,surface_dice,\
     patient\na,train,1,12,3.9,4.5,5.5,0.5,0.5,0.25,2.5,1.5,0.5,p\nb,validation,1,9,3.4,1,1,0,0,0,,,0,q\n",
    "name,split,width,height,peak,marked,marked_absolute,patient\na,validation,12,9,3.5,0.25,0.125,p\n\
     b,test,12,9,0,0,,q\n",
    "name,class,abnormal,right\na,normal,0.25,1\nb,abnormal,0.5,0\n",
    "name,mean_dice,dice,iou,otsu_dice,otsu_iou,average_precision,pointing,energy,deletion,insertion,\
     road_morf,road_lerf,road\na,0.5,0.5,0.25,0.5,0.125,0.5,1,0.5,,,0.5,0.5,0\n",
    "name,origin,dice,iou\na,weak,0.5,0.25\nb,ellipse,0.5,0.25\n",
];

fn tuning() -> Value {
    let entry = json!({"key": "conv2d 1x8x8x4", "variant": "tiled", "default": "plain", "ratio": 0.5,
                       "spread": 0.01, "checked": "reference"});
    json!({"format": 1, "adapter": "an adapter", "backend": "vulkan", "driver": "a driver", "version": "0.1.0",
           "kernels": "0123456789abcdef", "entries": [entry]})
}

fn bench() -> Value {
    let row = json!({"op": "conv2d", "variant": "tiled", "case": "n=1", "ms": 1.5, "ms_min": 1.0, "ms_q1": 1.25,
                     "ms_q3": 1.75, "ms_max": 2.0, "samples": 9, "repeats": 3});
    let phase = json!({"ms": 1.5, "ms_min": 1.0, "ms_max": 2.0, "samples": 9, "repeats": 3});
    json!({"adapter": "an adapter", "timer": "timestamps", "version": "0.1.0", "results": [row],
           "models": [{"model": "compact-resnet", "batch": 1, "input": [64, 64], "forward": phase,
                       "grad_cam": phase, "training_step": null}]})
}
