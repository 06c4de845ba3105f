//! Numbers of 16 bits, as models of the policies float16 and bfloat16 have their weights.

/// What 16 bits stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sixteen {
    /// IEEE 754 binary16.
    Half,
    /// The upper half of a number in single precision.
    Brain,
}

impl Sixteen {
    /// The number that `bits` stand for.
    pub fn decode(self, bits: u16) -> f32 {
        if self == Sixteen::Brain {
            return f32::from_bits(u32::from(bits) << 16);
        }
        let (exponent, fraction) = (bits >> 10 & 0x1f, u32::from(bits & 0x3ff));
        let size = match exponent {
            // In steps of 2^-24.
            0 => fraction as f32 / (1 << 24) as f32,
            31 => f32::from_bits(0x7f80_0000 | fraction << 13),
            exponent => f32::from_bits((u32::from(exponent) + 112) << 23 | fraction << 13),
        };
        if bits >> 15 == 1 { -size } else { size }
    }

    /// The bits of the nearest number, of two the even one.
    pub fn encode(self, value: f32) -> u16 {
        let (bits, size) = (value.to_bits(), value.abs());
        let rounded =
            |drop: u32, from: u32| (from + (1 << (drop - 1)) - 1 + (from >> drop & 1)) >> drop;
        if self == Sixteen::Brain {
            return if value.is_nan() { 0x7fc0 } else { rounded(16, bits) as u16 };
        }
        let unsigned = match size {
            size if size.is_nan() => 0x7e00,
            size if size >= 65520.0 => 0x7c00,
            size if size < 6.103_515_6e-5 => (size * (1 << 24) as f32).round_ties_even() as u16,
            size => rounded(13, size.to_bits() - (112 << 23)) as u16,
        };
        unsigned | (bits >> 16) as u16 & 0x8000
    }
}

#[cfg(test)]
mod tests {
    use super::Sixteen;

    #[test]
    fn every_number_of_16_bits_comes_back_as_it_was() {
        for kind in [Sixteen::Half, Sixteen::Brain] {
            for bits in 0..=u16::MAX {
                let value = kind.decode(bits);
                if !value.is_nan() {
                    assert_eq!(kind.encode(value), bits, "{kind:?} {bits:#06x} {value}");
                }
            }
            assert!(kind.decode(kind.encode(f32::NAN)).is_nan());
        }
    }

    #[test]
    fn others_go_to_the_nearest_and_ties_to_the_even_one() {
        let near = |kind: Sixteen, value: f32| kind.decode(kind.encode(value));
        for (value, half) in [
            (1.0 + 1.0 / 2048.0, 1.0),
            (1.0 + 3.0 / 2048.0, 1.0 + 2.0 / 1024.0),
            (0.1, 0.099_975_586),
            (65519.0, 65504.0),
            (65520.0, f32::INFINITY),
            (-3.0e-8, -5.960_464_5e-8),
            (2.9e-8, 0.0),
            (6.102e-5, 6.103_515_6e-5),
        ] {
            assert_eq!(near(Sixteen::Half, value), half, "{value}");
        }
        assert_eq!(near(Sixteen::Brain, 1.0 + 1.0 / 256.0), 1.0);
        assert_eq!(near(Sixteen::Brain, 1.0 + 3.0 / 256.0), 1.0 + 2.0 / 128.0);
    }
}
