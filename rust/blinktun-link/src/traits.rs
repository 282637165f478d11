//! From the changes that a description asks for to the weather of one direction.

use blinktun_proto::time::{Duration, Time};

use crate::error::Error;
use crate::keys::Change;
use crate::values::Room;
use crate::weather::{Bursts, Schedule, Weather};

/// The queue of a link whose description names none.
const QUEUE: Room = Room::Time(Duration::from_millis(100));

/// The weather at each moment of a change.
pub(crate) fn schedule(
    mut changes: Vec<(Duration, Change)>,
    outages: &[(Time, Time)],
) -> Result<Schedule, Error> {
    changes.sort_by_key(|(at, _)| *at); // equal ones keep their order
    let mut traits = Traits::default();
    let begin = changes.partition_point(|(at, _)| at.is_zero());
    let (now, later) = changes.split_at(begin);
    for (_, change) in now {
        traits.apply(*change);
    }
    let mut schedule = Schedule::from(traits.weather(outages)?);
    for same_time in later.chunk_by(|one, other| one.0 == other.0) {
        for (_, change) in same_time {
            traits.apply(*change);
        }
        schedule
            .later
            .push((same_time[0].0, traits.weather(outages)?));
    }
    Ok(schedule)
}

/// One direction as it was described, before what belongs together is put together.
struct Traits {
    weather: Weather,
    queue: Room,
    loss: f64,
    burst: f64,
}

impl Default for Traits {
    fn default() -> Traits {
        Traits {
            weather: Weather {
                pauses_end_bursts: false,
                icmp: true,
                overtaken_by: Duration::ZERO,
                ..Weather::perfect(Duration::ZERO)
            },
            queue: QUEUE,
            loss: 0.0,
            burst: 1.0,
        }
    }
}

impl Traits {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Rate(rate) => self.weather.rate = rate,
            Change::Delay(delay) => self.weather.delay = delay,
            Change::Queue(room) => self.queue = room,
            Change::Loss(loss) => self.loss = loss,
            Change::Burst(burst) => self.burst = burst,
            Change::Jitter(jitter) => self.weather.jitter = jitter,
            Change::Reorder(reorder) => self.weather.in_order = !reorder,
            Change::Duplicate(chance) => self.weather.duplicate = chance,
            Change::Corrupt(chance) => self.weather.corrupt = chance,
            Change::Mtu(mtu) => self.weather.mtu = mtu,
            Change::Icmp(icmp) => self.weather.icmp = icmp,
        }
    }

    fn weather(&self, outages: &[(Time, Time)]) -> Result<Weather, Error> {
        let mut weather = Weather {
            outages: outages.to_vec(),
            ..self.weather.clone()
        };
        if let Some(rate) = weather.rate {
            weather.queue = self.queue.bytes(rate);
        }
        if self.burst == 1.0 {
            weather.loss = self.loss;
        } else {
            weather.bursts = Some(self.bursts()?);
        }
        if !weather.in_order && weather.jitter.is_zero() {
            let problem = "nothing overtakes anything without jitter";
            return Err(Error::new(
                "reorder",
                "yes",
                problem,
                "write jitter=15ms too",
            ));
        }
        Ok(weather)
    }

    fn bursts(&self) -> Result<Bursts, Error> {
        let shown = self.burst.to_string();
        if self.loss == 0.0 {
            let problem = "there is no loss that could come in bursts";
            return Err(Error::new("burst", &shown, problem, "write loss=5% too"));
        }
        Bursts::of(self.loss, self.burst).ok_or_else(|| {
            let problem = "bursts so short cannot make up so much loss";
            let fix = match self.loss < 1.0 {
                true => format!("write burst={}", (self.loss / (1.0 - self.loss)).ceil()),
                false => "write outage=0s:60s".into(),
            };
            Error::new("burst", &shown, problem, fix)
        })
    }
}
