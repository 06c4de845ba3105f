//! The largest batch that fits, where the one that was asked for does not.

use crate::error::{Error, Result};

/// Images at once where nobody says how many, and as many as there are where those are fewer.
pub const BATCH: usize = 32;

/// What `plan` makes for `asked` images at once, as [`fitting`] does; where nobody asked for a number, for
/// [`BATCH`] or the next half of it that fits.
///
/// # Errors
/// Those of `plan`.
pub fn planning<T>(asked: Option<usize>, plan: impl Fn(usize) -> Result<T>) -> Result<(usize, T)> {
    match asked {
        Some(batch) => Ok((batch, fitting(batch, plan)?)),
        None => halving(BATCH, plan),
    }
}

/// What `plan` makes for `batch` images at once. Where that is too large, the error names the largest
/// batch for which `plan` succeeds: all of the job is planned for it, so that it works at once.
///
/// # Errors
/// Those of `plan`.
pub fn fitting<T>(batch: usize, plan: impl Fn(usize) -> Result<T>) -> Result<T> {
    let mut error = match plan(batch) {
        Err(error @ Error::TooLarge { .. }) => error,
        done => return done,
    };
    let (mut fits, mut does_not, mut of_one) = (0, batch, None);
    while does_not - fits > 1 {
        // From below while nothing is known to fit: what is far too large may take long to be refused.
        let middle = match fits {
            0 if does_not == batch => 1,
            _ => fits + (does_not - fits) / 2,
        };
        match plan(middle) {
            Ok(_) => fits = middle,
            Err(error) => (does_not, of_one) = (middle, Some(error)),
        }
    }
    if let Error::TooLarge { hint, .. } = &mut error
        && fits > 0
    {
        *hint = format!("use a batch of {fits} or less");
    } else if let Some(of_one) = of_one {
        // What is too large for one image is no matter of the batch.
        error = of_one;
    }
    Err(error)
}

/// The first of `batch`, half of it, and so on, for which `plan` succeeds, and what it made. For batches
/// that nobody asked for, where any will do.
///
/// # Errors
/// Those of `plan` for one image.
pub fn halving<T>(batch: usize, plan: impl Fn(usize) -> Result<T>) -> Result<(usize, T)> {
    let mut batch = batch.max(1);
    loop {
        match plan(batch) {
            Err(Error::TooLarge { .. }) if batch > 1 => batch /= 2,
            done => return Ok((batch, done?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(most: usize) -> impl Fn(usize) -> Result<usize> {
        move |batch| match batch <= most {
            true => Ok(batch),
            false => Err(Error::TooLarge {
                tensor: "images".to_owned(),
                what: "in one binding",
                needs: batch as u64,
                allows: most as u64,
                hint: "use a smaller input".to_owned(),
            }),
        }
    }

    #[test]
    fn the_batch_in_the_hint_is_the_largest_that_works() {
        for most in 1..40 {
            for batch in [1, 2, 3, 17, 40, 1000, usize::MAX] {
                match fitting(batch, up_to(most)) {
                    Ok(done) => assert!(done == batch && batch <= most),
                    Err(error) => {
                        assert!(batch > most);
                        let text = error.to_string();
                        assert!(text.contains(&format!("use a batch of {most} or less")), "{text}");
                    }
                }
            }
        }
        let error = fitting(8, up_to(0)).unwrap_err();
        assert!(matches!(error, Error::TooLarge { needs: 1, .. }), "that of one image: {error}");
        assert!(error.to_string().contains("smaller input"), "{error}");
        let other = fitting(8, |_| Err::<(), _>(Error::usage("a problem", "a hint")));
        assert_eq!(other.unwrap_err().to_string(), "a problem; a hint");
    }

    #[test]
    fn halves_are_tried_until_one_fits() {
        assert_eq!(halving(32, up_to(9)).unwrap(), (8, 8));
        assert_eq!(halving(32, up_to(100)).unwrap().0, 32);
        assert!(halving(32, up_to(0)).is_err());
    }
}
