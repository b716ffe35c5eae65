//! Random numbers for the load and the endpoint. They are the same in every run, so that two runs of
//! the demo can be compared; what is random in Keyway itself is not drawn here.

/// `SplitMix64`.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`, which is not 0.
    pub fn below(&mut self, count: u32) -> u32 {
        let high = (u128::from(self.next()) * u128::from(count)) >> 64;
        u32::try_from(high).unwrap_or(0)
    }

    /// A number from 0 up to, and without, 1.
    pub fn part(&mut self) -> f64 {
        f64::from(self.below(u32::MAX)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut chance = Chance::new(7);
        let mut seen = [0_u32; 5];
        for _ in 0..5_000 {
            seen[chance.below(5) as usize] += 1;
            assert!((0.0..1.0).contains(&chance.part()));
        }
        assert!(seen.iter().all(|&times| (800..1_200).contains(&times)), "{seen:?}");
    }
}
