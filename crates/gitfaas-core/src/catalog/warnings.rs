//! What is allowed in a topic and probably not meant.

use std::sync::Arc;

use super::Function;
use super::config::{Config, TopicConfig};
use crate::nearest::did_you_mean;
use crate::problem::Problem;

/// The warnings of one topic of `config`.
pub(super) fn of(config_file: &str, config: &Config, topic: &TopicConfig, functions: &[Arc<Function>]) -> Vec<Problem> {
    let mut warnings = unused(config_file, topic, functions);
    warnings.extend(undeclared(topic, functions));
    warnings.extend(unmatched(config_file, config, topic));
    warnings
}

/// Parameters that are declared and that no template uses.
fn unused(config_file: &str, topic: &TopicConfig, functions: &[Arc<Function>]) -> Vec<Problem> {
    let uses = |name: &str| {
        functions.iter().any(|function| function.template().parameters().iter().any(|used| used.name == name))
    };
    let unused = topic.params.iter().filter(|(name, _)| !uses(name));
    let warning = |(name, position): &(String, _)| {
        Problem::at(config_file, *position, format!("no template of `{}` uses the parameter `{name}`", topic.name))
            .help(format!("write `{{{{{name}}}}}` where it is wanted, or take it out"))
    };
    unused.map(warning).collect()
}

/// Parameters of templates that are not declared, and nearly are. Others are left to the templates.
fn undeclared(topic: &TopicConfig, functions: &[Arc<Function>]) -> Vec<Problem> {
    let declared = || topic.params.iter().map(|(name, _)| name.as_str());
    let used = functions.iter().flat_map(|function| {
        function.template().parameters().iter().map(|parameter| (function.name().as_str(), parameter))
    });
    let undeclared = used.filter(|(_, parameter)| !declared().any(|name| name == parameter.name));
    let warnings = undeclared.filter_map(|(file, parameter)| {
        let help = did_you_mean(&parameter.name, declared())?;
        let message = format!("the topic `{}` does not declare the parameter `{}`", topic.name, parameter.name);
        Some(Problem::at(file, parameter.position, message).help(help))
    });
    warnings.collect()
}

/// What a topic may publish to and nobody listens to.
fn unmatched(config_file: &str, config: &Config, topic: &TopicConfig) -> Vec<Problem> {
    let nobody =
        topic.publishes.iter().filter(|(glob, _)| !config.topics.iter().any(|topic| glob.matches(&topic.name)));
    let warning = |(glob, position): &(crate::topic::TopicGlob, _)| {
        let help = did_you_mean(glob.as_str(), config.topics.iter().map(|topic| topic.name.as_str()));
        let help = help.unwrap_or_else(|| "see how the topic is spelt, or take it out".to_owned());
        Problem::at(config_file, *position, format!("`{glob}` matches no topic of this file")).help(help)
    };
    nobody.map(warning).collect()
}
