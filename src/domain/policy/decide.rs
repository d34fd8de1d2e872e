//! The decision itself: Cedar's answer, turned into ways or a denial.

use cedar_policy::{AuthorizationError, Authorizer, Decision, Entities, Request};

use crate::domain::policy::deed::{Deed, Doing};
use crate::domain::policy::{Ask, Cited, Denial, Effect, Policy, Rule, Verdict, Way};
use crate::domain::request::RequestKind;
use crate::domain::target::Target;

/// What Cedar said, with the policies that decided in the order of the file.
struct Answer<'a> {
    allowed: bool,
    deciding: Vec<&'a Rule>,
}

impl Policy {
    /// Answers one ask.
    ///
    /// INVARIANT: any error on the way is a denial (`a_policy_that_errs_never_permits`).
    pub fn decide(&self, ask: &Ask<'_>) -> Verdict {
        self.decide_as(Deed::Request, ask)
    }

    /// As `decide`, for another way to ask: `break_glass`.
    pub fn decide_as(&self, deed: Deed, ask: &Ask<'_>) -> Verdict {
        if !ask.target.roles.contains_key(ask.role) {
            return denied(
                Vec::new(),
                format!("target `{}` has no role `{}`", ask.target.name, ask.role),
            );
        }
        let question = self.vocabulary.asking(deed, ask, &self.zone);
        match self.answer(deed, ask.target, question) {
            Err(denial) => Verdict::Denied(denial),
            Ok(answer) if answer.allowed => permitted(ask, &answer.deciding),
            Ok(answer) => refused(deed, ask, &answer.deciding),
        }
    }

    /// Whether somebody may do this to what others asked for or hold, as far as policy has a say in it. Product roles
    /// and reviewers' groups have theirs besides: a policy never gives more than they do.
    pub fn may(&self, doing: &Doing<'_>) -> Result<(), Denial> {
        if !self.governs(doing.deed) {
            return Ok(());
        }
        let question = self.vocabulary.doing(doing, &self.zone);
        let answer = self.answer(doing.deed, doing.target, question)?;
        let permits = self
            .rules()
            .filter(|rule| rule.deeds.contains(&doing.deed))
            .any(|rule| !matches!(rule.effect, Effect::Forbid { .. }));
        // Where policy only forbids, everybody else may as without it.
        if answer.allowed || (answer.deciding.is_empty() && !permits) {
            return Ok(());
        }
        let why = forbidden(&answer.deciding).unwrap_or_else(|| {
            format!(
                "no policy lets `{}` {} on `{}`",
                doing.who.name,
                doing.deed.phrase(),
                doing.target.name
            )
        });
        Err(Denial {
            by: answer.deciding.iter().map(|rule| rule.cited()).collect(),
            why,
            errors: Vec::new(),
        })
    }

    fn answer(
        &self,
        deed: Deed,
        target: &Target,
        question: Result<(Request, Entities), String>,
    ) -> Result<Answer<'_>, Denial> {
        let (request, entities) = question.map_err(|error| broken(Vec::new(), vec![error]))?;
        let Some(index) = self.sets.get(&deed) else {
            return Ok(Answer {
                allowed: false,
                deciding: Vec::new(),
            });
        };
        let response =
            Authorizer::new().is_authorized(&request, index.about(target.name.as_str()), &entities);
        let diagnostics = response.diagnostics();
        let mut errors: Vec<_> = diagnostics
            .errors()
            .map(|error| self.blame(error))
            .collect();
        if !errors.is_empty() {
            errors.sort();
            let by = errors.iter().map(|(cited, _)| cited.clone()).collect();
            return Err(broken(
                by,
                errors.into_iter().map(|(_, sentence)| sentence).collect(),
            ));
        }
        let mut deciding: Vec<_> = diagnostics
            .reason()
            .filter_map(|id| self.rule(id.as_ref()))
            .collect();
        deciding.sort_by_key(|rule| rule.line);
        Ok(Answer {
            allowed: response.decision() == Decision::Allow,
            deciding,
        })
    }

    /// The policy that could not be evaluated, and what happened.
    fn blame(&self, error: &AuthorizationError) -> (Cited, String) {
        let AuthorizationError::PolicyEvaluationError(error) = error;
        let number: &str = error.policy_id().as_ref();
        let cited = self.rule(number).map_or_else(
            || Cited {
                id: number.to_owned(),
                line: 0,
            },
            Rule::cited,
        );
        let sentence = format!(
            "policy `{}` could not be evaluated: {}",
            cited.id,
            error.inner()
        );
        (cited, sentence)
    }
}

fn denied(by: Vec<Cited>, why: String) -> Verdict {
    Verdict::Denied(Denial {
        by,
        why,
        errors: Vec::new(),
    })
}

fn broken(by: Vec<Cited>, errors: Vec<String>) -> Denial {
    let why = match by.first() {
        Some(Cited { id, .. }) => {
            format!("policy `{id}` could not be evaluated, and what cannot be decided is denied")
        }
        None => {
            "the policy could not be evaluated, and what cannot be decided is denied".to_owned()
        }
    };
    Denial { by, why, errors }
}

fn permitted(ask: &Ask<'_>, deciding: &[&Rule]) -> Verdict {
    let all: Vec<&Way> = deciding
        .iter()
        .filter_map(|rule| match &rule.effect {
            Effect::Permit(way) => Some(way),
            Effect::Allow | Effect::Forbid { .. } => None,
        })
        .collect();
    let long: Vec<&Way> = all
        .iter()
        .copied()
        .filter(|way| way.max_duration >= ask.duration)
        .collect();
    let mut ways: Vec<Way> = long
        .iter()
        .copied()
        .filter(|way| way.max_total >= ask.total)
        .cloned()
        .collect();
    if !ways.is_empty() {
        ways.sort_by_key(|way| (way.threshold, std::cmp::Reverse(way.max_duration), way.line));
        return Verdict::Permitted { ways };
    }
    let by_total = long.iter().max_by_key(|way| way.max_total);
    let by_duration = all.iter().max_by_key(|way| way.max_duration);
    match (by_total, by_duration) {
        (Some(way), _) => denied(
            vec![cited(way)],
            format!(
                "the longest that policy `{}` gives in all is `{}`",
                way.policy_id, way.max_total
            ),
        ),
        (None, Some(way)) => denied(
            vec![cited(way)],
            format!(
                "the longest that policy `{}` gives is `{}`",
                way.policy_id, way.max_duration
            ),
        ),
        // Cedar permitted, so some rule did; not finding it is an error, and an error is a denial.
        (None, None) => Verdict::Denied(broken(
            Vec::new(),
            vec!["the permitting policy is not in the file".to_owned()],
        )),
    }
}

fn cited(way: &Way) -> Cited {
    Cited {
        id: way.policy_id.clone(),
        line: way.line,
    }
}

/// The sentence of the `forbid`s that match, if any does.
fn forbidden(deciding: &[&Rule]) -> Option<String> {
    let because = deciding.iter().find_map(|rule| match &rule.effect {
        Effect::Forbid {
            because: Some(because),
        } => Some((&rule.id, because)),
        _ => None,
    });
    match (because, deciding.first()) {
        (Some((id, because)), _) => Some(format!("policy `{id}` forbids it: {because}")),
        (None, Some(rule)) => Some(format!("policy `{}` forbids it", rule.id)),
        (None, None) => None,
    }
}

fn refused(deed: Deed, ask: &Ask<'_>, deciding: &[&Rule]) -> Verdict {
    let why = forbidden(deciding).unwrap_or_else(|| {
        let Ask {
            asker,
            role,
            target,
            ..
        } = ask;
        let what = match (deed, ask.kind) {
            (Deed::BreakGlass, _) => "break glass for",
            (_, RequestKind::Access) => "ask for",
            (_, RequestKind::Extend) => "extend",
            (_, RequestKind::BreakGlass) => "break glass for",
        };
        format!(
            "no policy lets `{}` {what} `{role}` on `{}`",
            asker.name, target.name
        )
    });
    denied(deciding.iter().map(|rule| rule.cited()).collect(), why)
}
