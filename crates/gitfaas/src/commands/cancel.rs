//! `gitfaas cancel`: ends the runs of a request.

use gitfaas_server::api::wire::CancelledView;
use gitfaas_server::clock::{Clock as _, SystemClock};

use super::get;
use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Outcome;
use crate::output::{self, Out};

/// Runs the command.
pub(crate) async fn run(arguments: cli::Cancel, out: Out) -> anyhow::Result<Outcome> {
    let client = Client::new(&arguments.address)?;
    let answer = client.cancel(arguments.request, arguments.descendants).await?;
    if arguments.output.format == Format::Json {
        output::server_json(&answer.json)?;
        return Ok(Outcome::Done);
    }
    output::line(&get::runs(&answer.value.request, SystemClock.now(), out.table_width()))?;
    if let Some(remark) = remark(&answer.value) {
        output::remark(&remark)?;
    }
    Ok(Outcome::Done)
}

fn remark(cancelled: &CancelledView) -> Option<String> {
    let below = match cancelled.descendants {
        0 => return None,
        1 => "and 1 request that followed from it".to_owned(),
        number => format!("and {number} requests that followed from it"),
    };
    Some(if cancelled.cut { format!("{below}; there are more, which are not cancelled") } else { below })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tree::samples;

    #[test]
    fn what_was_not_got_to_is_told() {
        let told = |descendants, cut| {
            remark(&CancelledView { request: samples::pipeline().request, descendants, cut }).unwrap_or_default()
        };
        assert_eq!(told(0, false), "");
        assert_eq!(told(1, false), "and 1 request that followed from it");
        assert_eq!(told(7, true), "and 7 requests that followed from it; there are more, which are not cancelled");
    }
}
