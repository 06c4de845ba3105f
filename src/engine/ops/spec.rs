//! Shapes from the command line: `n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{
    Case, Conv2d, Conv2dInputGradient, Conv2dWeightGradient, Copy, DepthwiseConv2d,
    DepthwiseConv2dInputGradient, DepthwiseConv2dWeightGradient, Fill, Padding, Window,
};
use crate::engine::graph::Operation;
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// The shape of a convolution with 'same' padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseSpec {
    /// Images.
    pub n: usize,
    /// Rows of the input.
    pub h: usize,
    /// Columns of the input.
    pub w: usize,
    /// Channels of the input.
    pub cin: usize,
    /// Channels of the output; `cin` where it is not given.
    pub cout: usize,
    /// Rows and columns of the kernel; 1 where it is not given.
    pub k: usize,
    /// Stride; 1 where it is not given.
    pub s: usize,
    /// Dilation; 1 where it is not given.
    pub d: usize,
    /// Groups; 1 where it is not given.
    pub g: usize,
}

const EXAMPLE: &str = "for example n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1";

/// No size of a network is larger, and the reach of a window of such sizes stays within 64 bits.
const LARGEST: usize = 1 << 16;

/// Multiply-adds above which no adapter answers in reasonable time.
const MOST_WORK: u128 = 1 << 45;

impl FromStr for CaseSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |problem: String| Error::usage(format!("case \"{text}\": {problem}"), EXAMPLE);
        const KEYS: [&str; 9] = ["n", "h", "w", "cin", "cout", "k", "s", "d", "g"];
        let mut given: [Option<usize>; 9] = [None; 9];
        for part in text.split(',') {
            let (key, value) = part
                .split_once('=')
                .map(|(key, value)| (key.trim(), value.trim()))
                .ok_or_else(|| wrong(format!("\"{part}\" is not KEY=NUMBER")))?;
            let at = KEYS
                .iter()
                .position(|known| *known == key)
                .ok_or_else(|| wrong(format!("there is no \"{key}\", only {}", KEYS.join(", "))))?;
            let number: usize =
                value.parse().ok().filter(|number| (1..=LARGEST).contains(number)).ok_or_else(
                    || wrong(format!("{key} must be from 1 to {LARGEST}, not {value}")),
                )?;
            if given[at].replace(number).is_some() {
                return Err(wrong(format!("{key} is given twice")));
            }
        }
        let required =
            |at: usize| given[at].ok_or_else(|| wrong(format!("{} is missing", KEYS[at])));
        let cin = required(3)?;
        let or_one = |at: usize| given[at].unwrap_or(1);
        let spec = CaseSpec {
            n: required(0)?,
            h: required(1)?,
            w: required(2)?,
            cin,
            cout: given[4].unwrap_or(cin),
            k: or_one(5),
            s: or_one(6),
            d: or_one(7),
            g: or_one(8),
        };
        if !spec.cin.is_multiple_of(spec.g) || !spec.cout.is_multiple_of(spec.g) {
            let CaseSpec { cin, cout, g, .. } = spec;
            return Err(wrong(format!("cin={cin} and cout={cout} must be multiples of g={g}")));
        }
        let (input, kernel) = ([spec.n, spec.h, spec.w, cin], [spec.k, spec.k, cin, spec.cout]);
        for (what, dims) in [("input", input), ("kernel", kernel)] {
            let shape = Shape::from(dims);
            if shape.elements() > Shape::MOST_ELEMENTS {
                let most = Shape::MOST_ELEMENTS;
                return Err(wrong(format!("its {what} {shape} has more than {most} numbers")));
            }
        }
        let factors =
            [spec.n, spec.h.div_ceil(spec.s), spec.w.div_ceil(spec.s), cin / spec.g, spec.cout];
        let work = factors.iter().fold((spec.k * spec.k) as u128, |work, &f| work * f as u128);
        if work > MOST_WORK {
            return Err(wrong(format!("{work} multiply-adds are too many to be timed")));
        }
        Ok(spec)
    }
}

impl fmt::Display for CaseSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CaseSpec { n, h, w, cin, cout, k, s, d, g } = self;
        write!(f, "n={n},h={h},w={w},cin={cin},cout={cout},k={k},s={s},g={g}")?;
        if *d != 1 { write!(f, ",d={d}") } else { Ok(()) }
    }
}

/// The case of `operation` with the shape of `spec`; nothing where that is no convolution.
///
/// # Errors
/// [`Error::Shape`] when the shape is not one that the operation does.
pub fn custom_case(operation: &str, spec: &CaseSpec) -> Result<Option<Case>> {
    let window = Window { dilation: [spec.d; 2], ..Window::square(spec.k, spec.s, Padding::Same) };
    let [height, width] = window.on(operation, [spec.h, spec.w])?.output;
    let x = Shape::from([spec.n, spec.h, spec.w, spec.cin]);
    let y = Shape::from([spec.n, height, width, spec.cout]);
    let depthwise = operation.starts_with("depthwise_");
    if depthwise && (spec.cout != spec.cin || ![1, spec.cin].contains(&spec.g)) {
        let problem = format!("takes cout = cin and g = cin, or neither, not {spec}");
        return Err(Error::shape(operation, problem));
    }
    let w = match depthwise {
        true => Shape::from([spec.k, spec.k, spec.cin, 1]),
        false => Shape::from([spec.k, spec.k, spec.cin / spec.g, spec.cout]),
    };
    let forward = [x.clone(), w.clone()];
    let backward = [y.clone(), w];
    let both = [x.clone(), y];
    let case = |operation: Arc<dyn Operation>, inputs: [Shape; 2]| Case {
        operation,
        ..Case::new(spec.to_string(), Copy, inputs.map(|shape| (shape, Fill::Signed)))
    };
    let with_kernel = |case: Case| case.dense(&[1]);
    Ok(Some(match operation {
        "conv2d" => with_kernel(case(Arc::new(Conv2d::new(window).with_groups(spec.g)), forward)),
        "conv2d_input_gradient" => {
            with_kernel(case(Arc::new(Conv2dInputGradient::new(window, spec.g, &x)), backward))
        }
        "conv2d_weight_gradient" => case(Arc::new(Conv2dWeightGradient::new(window, spec.g)), both),
        "depthwise_conv2d" => with_kernel(case(Arc::new(DepthwiseConv2d::new(window)), forward)),
        "depthwise_conv2d_input_gradient" => {
            with_kernel(case(Arc::new(DepthwiseConv2dInputGradient::new(window, &x)), backward))
        }
        "depthwise_conv2d_weight_gradient" => {
            case(Arc::new(DepthwiseConv2dWeightGradient::new(window)), both)
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, part: &str) {
        let error = text.parse::<CaseSpec>().unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("for example"), "{error}");
    }

    #[test]
    fn a_case_is_read_and_printed() {
        let spec: CaseSpec = "n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1".parse().unwrap();
        assert_eq!((spec.n, spec.h, spec.cout, spec.d), (8, 19, 728, 1));
        assert_eq!(spec.to_string(), "n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1");
        let spec: CaseSpec = " w=5, h=4 ,n=1,cin=6,k=3,d=2".parse().unwrap();
        assert_eq!(spec, CaseSpec { n: 1, h: 4, w: 5, cin: 6, cout: 6, k: 3, s: 1, d: 2, g: 1 });
        assert_eq!(spec.to_string().parse::<CaseSpec>().unwrap(), spec);
    }

    #[test]
    fn every_convolution_takes_a_case_and_others_do_not() {
        let output = |operation: &str, text: &str| {
            let case = custom_case(operation, &text.parse().unwrap()).unwrap().unwrap();
            assert_eq!(case.operation.name(), operation);
            let shapes: Vec<&Shape> = case.inputs.iter().map(|(shape, _)| shape).collect();
            case.operation.infer(&shapes).unwrap().to_string()
        };
        let text = "n=2,h=9,w=8,cin=6,cout=4,k=3,s=2,g=2,d=1";
        assert_eq!(output("conv2d", text), "2x5x4x4");
        assert_eq!(output("conv2d_input_gradient", text), "2x9x8x6");
        assert_eq!(output("conv2d_weight_gradient", text), "3x3x3x4");
        let text = "n=2,h=9,w=8,cin=6,k=3,s=2";
        assert_eq!(output("depthwise_conv2d", text), "2x5x4x6");
        assert_eq!(output("depthwise_conv2d_input_gradient", text), "2x9x8x6");
        assert_eq!(output("depthwise_conv2d_weight_gradient", text), "3x3x6x1");
        let spec: CaseSpec = text.parse().unwrap();
        assert!(custom_case("copy", &spec).unwrap().is_none());
        let error = custom_case("depthwise_conv2d", &CaseSpec { cout: 12, ..spec }).unwrap_err();
        assert!(error.to_string().contains("cout = cin"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_case_is_said() {
        refused("", "not KEY=NUMBER");
        refused("n=1,h=2,w=2", "cin is missing");
        refused("n=1,h=2,w=2,cin=4,x=2", "there is no \"x\"");
        refused("n=1,h=2,w=2,cin=0", "cin must be from 1");
        refused("n=1,h=2,w=2,cin=-4", "cin must be from 1");
        refused("n=1,n=1,h=2,w=2,cin=4", "given twice");
        refused("n=1,h=2,w=2,cin=4,g=3", "multiples of g=3");
        refused("n=65536,h=65536,w=65536,cin=65536", "its input 65536x65536x65536x65536 has more");
        // Few multiply-adds, since hardly any of the pixels is looked at.
        refused("n=64,h=65536,w=65536,cin=1,s=65536", "its input");
        refused("n=1,h=2,w=2,cin=65536,k=65536", "its kernel");
        refused("n=1,h=4096,w=4096,cin=1,cout=64,k=4096", "too many");
    }
}
