//! A modelled endpoint and the load on it, as discrete events under a virtual clock: the same
//! figures every time, and an hour of traffic in a second.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::{AdaptiveLimit, Answer, Moment, Sample};

/// How long the work on one request takes, around a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scatter {
    /// Within a tenth of the mean.
    Tenth,
    /// Exponential.
    Exponential,
    /// Log-normal, sigma 1: one in a hundred takes six times the mean.
    LogNormal,
}

/// How requests beyond the servers fare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Discipline {
    /// They wait in turn.
    Fifo,
    /// All are worked on at once, each the slower (processor sharing).
    Sharing,
    /// So many wait in turn; what is beyond is refused after 1 ms.
    Refusing(usize),
}

/// What brings the requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// There always is a next one.
    Saturated,
    /// So many a second, at random; they wait while the limit is reached.
    Arriving(f64),
}

/// What holds back the requests.
#[derive(Clone, Debug)]
pub enum Limit {
    Fixed(u32),
    Adaptive(AdaptiveLimit),
}

/// Endpoint, load and limit.
#[derive(Clone, Debug)]
pub struct World {
    pub servers: u32,
    /// The mean time of the work, in seconds.
    pub service: f64,
    pub scatter: Scatter,
    pub discipline: Discipline,
    pub load: Load,
    pub limit: Limit,
    pub seed: u64,
    now: f64,
    next_arrival: f64,
    backlog: u32,
    in_flight: u32,
    /// End and beginning of what is worked on; non-negative numbers sort as their bits. Under
    /// sharing the end is in work done per request.
    working: BinaryHeap<Reverse<(u64, u64)>>,
    work_done: f64,
    waiting: VecDeque<f64>,
    refused: VecDeque<f64>,
    seen: Seen,
}

/// What was counted since the last run began.
#[derive(Clone, Debug, Default)]
struct Seen {
    since: f64,
    times: Vec<f64>,
    refusals: u32,
    /// Sum of limit x time, for its mean.
    limit_time: f64,
    limits: Option<(u32, u32)>,
}

/// Figures of a run.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub seconds: f64,
    /// Answered requests per second.
    pub rate: f64,
    /// The time that 99 of 100 stay below, in seconds.
    pub p99: f64,
    pub mean_limit: f64,
    pub lowest: u32,
    pub highest: u32,
    /// Refusals per answer.
    pub refused: f64,
}

impl World {
    /// A saturated first-come-first-served endpoint with little scatter.
    pub fn new(servers: u32, service: f64, limit: Limit) -> Self {
        Self {
            servers,
            service,
            scatter: Scatter::Tenth,
            discipline: Discipline::Fifo,
            load: Load::Saturated,
            limit,
            seed: 1,
            now: 0.0,
            next_arrival: 0.0,
            backlog: 0,
            in_flight: 0,
            working: BinaryHeap::new(),
            work_done: 0.0,
            waiting: VecDeque::new(),
            refused: VecDeque::new(),
            seen: Seen::default(),
        }
    }

    /// The same under an adaptive limit of 1 to 256.
    pub fn adaptive(servers: u32, service: f64) -> Self {
        Self::new(servers, service, Limit::Adaptive(AdaptiveLimit::new(1, 256)))
    }

    pub fn limit(&self) -> u32 {
        match &self.limit {
            Limit::Fixed(limit) => *limit,
            Limit::Adaptive(limit) => limit.limit(),
        }
    }

    /// Runs until so many more are answered.
    pub fn run(&mut self, answers: usize) -> Figures {
        self.run_until(answers, |_| false)
    }

    /// Runs until so many more are answered, or the limit is as wanted.
    pub fn run_until(&mut self, answers: usize, wanted: impl Fn(u32) -> bool) -> Figures {
        self.seen = Seen { since: self.now, ..Seen::default() };
        while self.seen.times.len() < answers && !wanted(self.limit()) {
            self.step();
        }
        let seconds = self.now - self.seen.since;
        let mut times = std::mem::take(&mut self.seen.times);
        times.sort_by(f64::total_cmp);
        let answered = count(times.len());
        let (lowest, highest) = self.seen.limits.unwrap_or_default();
        Figures {
            seconds,
            rate: answered / seconds,
            p99: times.get(times.len() * 99 / 100).copied().unwrap_or_default(),
            mean_limit: self.seen.limit_time / seconds,
            lowest,
            highest,
            refused: f64::from(self.seen.refusals) / answered,
        }
    }

    /// Begins what may begin and goes to the next end or arrival.
    fn step(&mut self) {
        while self.in_flight < self.limit() && (self.load == Load::Saturated || self.backlog > 0) {
            self.backlog = self.backlog.saturating_sub(1);
            self.in_flight += 1;
            self.begin();
        }
        let work = self.working.peek().map_or(f64::INFINITY, |Reverse((end, _))| {
            let end = f64::from_bits(*end);
            match self.discipline {
                Discipline::Sharing => self.now + (end - self.work_done).max(0.0) / self.speed(),
                _ => end,
            }
        });
        let refusal = self.refused.front().map_or(f64::INFINITY, |began| began + 0.001);
        let arrival = if self.load == Load::Saturated { f64::INFINITY } else { self.next_arrival };
        let next = work.min(refusal).min(arrival).max(self.now);
        assert!(next.is_finite(), "nothing is under way: the limit is {}", self.limit());
        self.seen.limit_time += f64::from(self.limit()) * (next - self.now);
        self.work_done += self.speed() * (next - self.now);
        self.now = next;
        if arrival <= next {
            self.arrive();
        } else if refusal <= next {
            let began = self.refused.pop_front().unwrap();
            self.end(began, Answer::Refused);
        } else {
            let Reverse((_, began)) = self.working.pop().unwrap();
            let began = f64::from_bits(began);
            self.seen.times.push(self.now - began);
            while self.idle()
                && let Some(next) = self.waiting.pop_front()
            {
                self.work_on(next);
            }
            self.end(began, Answer::Answered);
        }
    }

    fn arrive(&mut self) {
        self.backlog += 1;
        let Load::Arriving(rate) = self.load else { return };
        self.next_arrival = self.now - self.uniform().ln() / rate;
    }

    fn begin(&mut self) {
        let busy = !self.idle();
        match self.discipline {
            Discipline::Refusing(most) if busy && self.waiting.len() >= most => {
                self.refused.push_back(self.now);
            }
            Discipline::Fifo | Discipline::Refusing(_) if busy => self.waiting.push_back(self.now),
            _ => self.work_on(self.now),
        }
    }

    fn work_on(&mut self, began: f64) {
        let work = self.work();
        let from = if self.discipline == Discipline::Sharing { self.work_done } else { self.now };
        self.working.push(Reverse(((from + work).to_bits(), began.to_bits())));
    }

    fn end(&mut self, began: f64, answer: Answer) {
        let took = Duration::from_secs_f64(self.now - began);
        let sample = Sample { took, in_flight: self.in_flight, answer };
        if let Limit::Adaptive(limit) = &mut self.limit {
            limit.ended(sample, Moment(Duration::from_secs_f64(self.now)));
        }
        self.in_flight -= 1;
        self.seen.refusals += u32::from(answer == Answer::Refused);
        let limit = self.limit();
        let (lowest, highest) = self.seen.limits.unwrap_or((limit, limit));
        self.seen.limits = Some((lowest.min(limit), highest.max(limit)));
    }

    /// Whether a server has nothing to do.
    fn idle(&self) -> bool {
        count(self.working.len()) < f64::from(self.servers)
    }

    /// How fast the work on each request goes under sharing.
    fn speed(&self) -> f64 {
        (f64::from(self.servers) / count(self.working.len().max(1))).min(1.0)
    }

    fn work(&mut self) -> f64 {
        self.service
            * match self.scatter {
                Scatter::Tenth => 0.9 + 0.2 * self.uniform(),
                Scatter::Exponential => -self.uniform().ln(),
                Scatter::LogNormal => {
                    let normal: f64 = (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0;
                    (normal - 0.5).exp()
                }
            }
    }

    /// Above 0 and up to 1 (splitmix64, Steele, Lea and Flood 2014).
    fn uniform(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = u32::try_from((bits ^ (bits >> 31)) >> 32).unwrap();
        (f64::from(bits) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }
}

fn count(things: usize) -> f64 {
    f64::from(u32::try_from(things).unwrap())
}
