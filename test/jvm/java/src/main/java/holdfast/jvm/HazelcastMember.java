package holdfast.jvm;

import com.hazelcast.config.Config;
import com.hazelcast.core.Hazelcast;
import com.hazelcast.core.HazelcastInstance;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.TimeUnit;

/** One member of Hazelcast, until a line comes on the standard input. The CP subsystem of a single member is in "unsafe mode"; three have a Raft group. */
public final class HazelcastMember {
  private HazelcastMember() {}

  /** The argument is {@code ports=number,...}: its own first, then those of the other members. */
  public static void main(String[] arguments) throws Exception {
    String[] ports = arguments[0].substring("ports=".length()).split(",");
    Config config = new Config().setProperty("hazelcast.phone.home.enabled", "false").setProperty("hazelcast.logging.type", "none");
    config.getNetworkConfig().setPort(Integer.parseInt(ports[0])).setPortAutoIncrement(false);
    config.getNetworkConfig().setPublicAddress("127.0.0.1");
    config.getNetworkConfig().getInterfaces().setEnabled(true).addInterface("127.0.0.1");
    config.getNetworkConfig().getJoin().getMulticastConfig().setEnabled(false);
    config.getNetworkConfig().getJoin().getAutoDetectionConfig().setEnabled(false);
    if (ports.length > 1) {
      var join = config.getNetworkConfig().getJoin().getTcpIpConfig().setEnabled(true);
      for (String port : ports) join.addMember("127.0.0.1:" + port);
      config.getCPSubsystemConfig().setCPMemberCount(ports.length);
    }
    HazelcastInstance member = Hazelcast.newHazelcastInstance(config);
    if (ports.length > 1) member.getCPSubsystem().getCPSubsystemManagementService().awaitUntilDiscoveryCompleted(2, TimeUnit.MINUTES);
    System.out.println("started");
    new BufferedReader(new InputStreamReader(System.in)).readLine();
    member.getLifecycleService().terminate();
    Runtime.getRuntime().halt(0);
  }
}
