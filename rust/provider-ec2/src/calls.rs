//! The calls of EC2 that a request comes to.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, Filter, HttpTokensState, IamInstanceProfileSpecification, Instance,
    InstanceMarketOptionsRequest, InstanceMetadataOptionsRequest, InstanceStateName, InstanceType,
    LaunchTemplateSpecification, MarketType, ResourceType, ShutdownBehavior, Tag, TagSpecification,
};
use base64::Engine as _;
use dcos_core::provider::{Answer, Call, Failure, Launch, Launched, Machine, MachineState, Reason, Request};

use crate::failure::failed;
use crate::settings::{Choice, Class, Settings, read};

/// The tags by which machines are told apart. Nothing without the first is ever touched.
const CLUSTER: &str = "dcos-bits:cluster";
const OPERATION: &str = "dcos-bits:operation";
const SLOT: &str = "dcos-bits:slot";
const TOKEN: &str = "dcos-bits:token";

/// Carries out a request.
pub(crate) async fn answer(request: Request) -> Result<Answer, Failure> {
    let settings: Settings = read("`provider.settings`", request.settings)?;
    let ec2 = Ec2 { client: client(settings).await, cluster: request.cluster };
    match request.call {
        Call::Check { classes } => {
            ec2.list().await?;
            for (name, class) in classes {
                let class: Class = read(&format!("`classes.{name}.settings`"), class)?;
                let about =
                    |failure: Failure| Failure { detail: format!("class `{name}`: {}", failure.detail), ..failure };
                class.check().map_err(about)?;
                ec2.try_launch(&class).await.map_err(about)?;
            }
            Ok(Answer::Checked)
        }
        Call::Launch(launch) => ec2.launch(*launch).await.map(Answer::Launched),
        Call::List => ec2.list().await.map(Answer::Machines),
        Call::Terminate { machine } => ec2.terminate(&machine).await.map(|()| Answer::Terminated),
    }
}

async fn client(settings: Settings) -> Client {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = settings.region {
        loader = loader.region(Region::new(region));
    }
    if let Some(profile) = settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    Client::new(&loader.load().await)
}

struct Ec2 {
    client: Client,
    cluster: String,
}

fn tag(key: &str, value: impl Into<String>) -> Tag {
    Tag::builder().key(key).value(value).build()
}

impl Ec2 {
    async fn launch(&self, launch: Launch) -> Result<Launched, Failure> {
        let class: Class = read("the class's settings", launch.class)?;
        class.check()?;
        let Some(choice) = class.choice(launch.slot, launch.choice) else {
            let detail = "every subnet and type of the class was tried".to_owned();
            return Err(Failure { reason: Reason::NoMoreChoices, detail });
        };
        let tags = [
            tag(CLUSTER, &self.cluster),
            tag(OPERATION, &launch.operation),
            tag(SLOT, launch.slot.to_string()),
            tag(TOKEN, &launch.token),
            tag("Name", format!("{} {}-{}", self.cluster, launch.operation, launch.slot)),
        ];
        let call = self
            .run(&class, &choice)
            .client_token(&launch.token)
            .user_data(base64::engine::general_purpose::STANDARD.encode(&launch.user_data))
            .tag_specifications(specification(&class, tags));
        let made = call.send().await.map_err(|error| failed("RunInstances", &error))?;
        let machine = made.instances().first().and_then(Instance::instance_id);
        machine.map(|machine| Launched { machine: machine.to_owned() }).ok_or_else(|| {
            // It will be listed, if it is there.
            Failure::unknown("RunInstances answered without an instance")
        })
    }

    /// Asks EC2 whether a machine of the class could be made, and has none made. One of the class's choices is enough.
    async fn try_launch(&self, class: &Class) -> Result<(), Failure> {
        let mut last = Ok(());
        for number in 0.. {
            let Some(choice) = class.choice(0, number) else { break };
            last = self.try_choice(class, &choice).await;
            match &last {
                Err(failure) if failure.reason == Reason::NoCapacity => {}
                Ok(()) | Err(_) => break,
            }
        }
        last
    }

    async fn try_choice(&self, class: &Class, choice: &Choice<'_>) -> Result<(), Failure> {
        let call = self.run(class, choice).tag_specifications(specification(class, [tag(CLUSTER, &self.cluster)]));
        match call.dry_run(true).send().await {
            Ok(_) => Ok(()),
            // EC2's way of saying that it would have worked.
            Err(error)
                if error.as_service_error().is_some_and(|error| error.meta().code() == Some("DryRunOperation")) =>
            {
                Ok(())
            }
            Err(error) => Err(failed("RunInstances (dry run)", &error)),
        }
    }

    /// The call that makes one machine of a class, in one way.
    fn run(&self, class: &Class, choice: &Choice<'_>) -> RunInstancesFluentBuilder {
        let template = class.launch_template.as_ref().map(|name| {
            let template = LaunchTemplateSpecification::builder().set_version(class.launch_template_version.clone());
            match name.starts_with("lt-") {
                true => template.launch_template_id(name),
                false => template.launch_template_name(name),
            }
            .build()
        });
        let profile = class.instance_profile.as_ref().map(|name| {
            let profile = IamInstanceProfileSpecification::builder();
            if name.starts_with("arn:") { profile.arn(name) } else { profile.name(name) }.build()
        });
        let spot = class.spot.then(|| InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build());
        let disk = class.root_volume.zip(class.root_device.as_ref()).map(|(size, device)| {
            let volume = EbsBlockDevice::builder().volume_size(size).delete_on_termination(true).build();
            vec![BlockDeviceMapping::builder().device_name(device).ebs(volume).build()]
        });
        // Credentials of the instance's role are not for whoever can make the machine fetch an address.
        let metadata = class
            .launch_template
            .is_none()
            .then(|| InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required).build());
        let groups = (!class.security_groups.is_empty()).then(|| class.security_groups.clone());
        self.client
            .run_instances()
            .min_count(1)
            .max_count(1)
            .set_image_id(class.image.clone())
            .set_launch_template(template)
            .set_instance_type(choice.instance_type.map(InstanceType::from))
            .set_subnet_id(choice.subnet.map(str::to_owned))
            .set_security_group_ids(groups)
            .set_iam_instance_profile(profile)
            .set_key_name(class.key_name.clone())
            .set_instance_market_options(spot)
            .set_block_device_mappings(disk)
            .set_metadata_options(metadata)
            // A machine that shuts itself down is not left behind, stopped, with a disk that costs money.
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
    }

    async fn list(&self) -> Result<Vec<Machine>, Failure> {
        let ours = Filter::builder().name(format!("tag:{CLUSTER}")).values(&self.cluster).build();
        let mut pages = self.client.describe_instances().filters(ours).into_paginator().items().send();
        let mut machines = Vec::new();
        while let Some(reservation) = pages.next().await {
            let reservation = reservation.map_err(|error| failed("DescribeInstances", &error))?;
            machines.extend(reservation.instances().iter().filter_map(machine));
        }
        Ok(machines)
    }

    async fn terminate(&self, machine: &str) -> Result<(), Failure> {
        // Whatever is named, only what carries our tag is ended; a machine that is too new to be listed has to wait.
        if !self.list().await?.iter().any(|listed| listed.id == machine) {
            let detail = format!("no instance {machine} of cluster `{}` is listed", self.cluster);
            return Err(Failure::unknown(detail));
        }
        let call = self.client.terminate_instances().instance_ids(machine);
        call.send().await.map(drop).map_err(|error| failed("TerminateInstances", &error))
    }
}

fn specification(class: &Class, ours: impl IntoIterator<Item = Tag>) -> TagSpecification {
    let reserved = |key: &str| key.starts_with("dcos-bits:");
    let theirs = class.tags.iter().filter(|(key, _)| !reserved(key)).map(|(key, value)| tag(key, value));
    let mut specification = TagSpecification::builder().resource_type(ResourceType::Instance);
    let mut keys = std::collections::BTreeSet::new();
    for tag in theirs.chain(ours) {
        // Names may be given once; the class's own `Name` wins.
        if keys.insert(tag.key().unwrap_or_default().to_owned()) {
            specification = specification.tags(tag);
        }
    }
    specification.build()
}

/// An instance as a machine, if it is one that was made by [`Ec2::launch`].
fn machine(instance: &Instance) -> Option<Machine> {
    let value = |key: &str| {
        let tag = instance.tags().iter().find(|tag| tag.key() == Some(key))?;
        tag.value().map(str::to_owned)
    };
    let state = match instance.state().and_then(|state| state.name()) {
        Some(InstanceStateName::Pending) | None => MachineState::Pending,
        Some(InstanceStateName::Running) => MachineState::Running,
        Some(InstanceStateName::Terminated) => MachineState::Gone,
        // Also one that is stopped: it is no use to anybody, and is there until it is terminated.
        Some(_) => MachineState::Stopping,
    };
    let place = instance.placement().and_then(|placement| placement.availability_zone());
    let kind = instance.instance_type().map(InstanceType::as_str);
    Some(Machine {
        id: instance.instance_id()?.to_owned(),
        state,
        token: value(TOKEN)?,
        operation: value(OPERATION)?,
        slot: value(SLOT)?.parse().ok()?,
        address: instance.private_ip_address().and_then(|address| address.parse().ok()),
        port: None,
        kind: [kind, place].into_iter().flatten().collect::<Vec<_>>().join(" "),
    })
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
