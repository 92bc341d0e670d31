//! Two rounds of questions, of which the second has two, and steps that run once.

use futures::try_join;
use ostler_tools::{Choice, Elicited, Prompt, Sampling, Tool, ToolContext, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A trip to book a flight for.
#[derive(Debug, Deserialize, JsonSchema)]
struct Trip {
    /// Where it begins, such as Berlin.
    from: String,
    /// Where it goes, such as Rome.
    to: String,
    /// The day, such as 2026-12-24.
    date: String,
    /// The number of the flight, if it is known already.
    #[serde(default)]
    flight: Option<String>,
    /// The seat, if it is known already.
    #[serde(default)]
    seat: Option<Seat>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Flight {
    number: String,
    departs: String,
    euros: u32,
}

/// Which flight it shall be.
#[derive(Debug, Deserialize, JsonSchema)]
struct Pick {
    /// The number of the flight.
    flight: String,
}

/// Which seat it shall be.
#[derive(Debug, Deserialize, JsonSchema)]
struct SeatPick {
    /// Where you like to sit.
    seat: Seat,
    /// A meal on board.
    #[serde(default)]
    meal: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Seat {
    Window,
    Middle,
    Aisle,
}

/// A flight that is booked.
#[derive(Debug, Serialize, JsonSchema)]
struct Booking {
    /// What to show at the desk.
    reference: String,
    flight: String,
    seat: Seat,
    meal: bool,
    euros: u32,
    /// A tip for the trip, if the client's model has one.
    tip: Option<String>,
}

pub(super) fn tool() -> Tool {
    Tool::new("book_flight", book_flight)
        .title("Book a flight")
        .describe("Book a flight, asking which one and which seat")
        .elicits::<Pick>("pickFlight")
        .elicits::<SeatPick>("pickSeat")
}

async fn book_flight(ctx: ToolContext, trip: Trip) -> ToolResult<Booking> {
    let flights: Vec<Flight> = ctx.step("search", || search(&trip)).await?;
    let flight = pick_flight(&ctx, &trip, flights).await?;
    let ((seat, meal), tip) = try_join!(pick_seat(&ctx, &trip), tip(&ctx, &trip))?;
    let reference = ctx.uuid().simple().to_string()[..6].to_uppercase();
    let book = || async { Ok::<_, String>(reference) };
    let reference = if ctx.is_sealed() {
        // Nobody here knows whether it has happened. The reference is the same each time, by which an airline knows it again.
        ctx.step("book", book).await?
    } else {
        // Whether it has happened has to be known: nobody wants to pay twice.
        ctx.step_once("book", book).await?
    };
    Ok(Booking { reference, flight: flight.number, seat, meal, euros: flight.euros, tip })
}

#[expect(clippy::unused_async, reason = "a real search would wait for somebody")]
async fn search(trip: &Trip) -> Result<Vec<Flight>, String> {
    let to: String = trip.to.chars().filter(|letter| letter.is_alphabetic()).take(2).collect();
    if to.is_empty() {
        return Err(format!("there are no flights from {} to nowhere", trip.from));
    }
    let flight = |number: u32, departs: &str, euros| Flight {
        number: format!("{}{number}", to.to_uppercase()),
        departs: departs.to_owned(),
        euros,
    };
    Ok(vec![flight(117, "07:25", 129), flight(243, "12:40", 98), flight(391, "19:05", 154)])
}

async fn pick_flight(ctx: &ToolContext, trip: &Trip, flights: Vec<Flight>) -> ToolResult<Flight> {
    let offers = |flight: &Flight| format!("{} at {}, {} EUR", flight.number, flight.departs, flight.euros);
    let number = match &trip.flight {
        Some(number) => number.clone(),
        None if ctx.capabilities().elicit_form => {
            let message = format!("Which flight from {} to {} on {}?", trip.from, trip.to, trip.date);
            let choices = flights.iter().map(|flight| Choice::new(&flight.number, offers(flight)));
            let prompt = Prompt::new(message).context(&flights).choices("flight", choices);
            ctx.elicit::<Pick>("pickFlight", prompt).await?.required("pickFlight")?.flight
        }
        // In words what cannot be asked.
        None => {
            let offers: Vec<_> = flights.iter().map(offers).collect();
            let offers = offers.join("; ");
            return Err(ToolError::new(format!(
                "Which flight? {offers}. Call again with `flight` set to one of these numbers, and `seat` to window, middle or aisle."
            )));
        }
    };
    let picked = flights.into_iter().find(|flight| flight.number == number);
    picked.ok_or_else(|| ToolError::new(format!("there is no flight {number} on {}", trip.date)))
}

async fn pick_seat(ctx: &ToolContext, trip: &Trip) -> ToolResult<(Seat, bool)> {
    if let Some(seat) = trip.seat {
        return Ok((seat, false));
    }
    if !ctx.capabilities().elicit_form {
        return Ok((Seat::Aisle, false));
    }
    match ctx.elicit::<SeatPick>("pickSeat", Prompt::new("Where do you like to sit?")).await? {
        Elicited::Accepted(pick) => Ok((pick.seat, pick.meal)),
        Elicited::Declined | Elicited::Cancelled => Ok((Seat::Middle, false)),
    }
}

async fn tip(ctx: &ToolContext, trip: &Trip) -> ToolResult<Option<String>> {
    if !ctx.capabilities().sample {
        return Ok(None);
    }
    let question = format!("In one sentence: what should nobody miss who travels to {}?", trip.to);
    Ok(Some(ctx.sample("tip", Sampling::new(question).max_tokens(100)).await?.text()))
}
