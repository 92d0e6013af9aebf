package holdfast.jvm;

import com.hazelcast.config.Config;
import com.hazelcast.core.Hazelcast;
import com.hazelcast.core.HazelcastInstance;
import java.io.BufferedReader;
import java.io.InputStreamReader;

/** One member of Hazelcast, until a line comes on the standard input. Its CP subsystem is that of a single member ("unsafe mode"). */
public final class HazelcastMember {
  private HazelcastMember() {}

  /** The argument is {@code port=number}. */
  public static void main(String[] arguments) throws Exception {
    Config config = new Config().setProperty("hazelcast.phone.home.enabled", "false").setProperty("hazelcast.logging.type", "none");
    config.getNetworkConfig().setPort(Integer.parseInt(arguments[0].substring("port=".length()))).setPortAutoIncrement(false);
    config.getNetworkConfig().setPublicAddress("127.0.0.1");
    config.getNetworkConfig().getInterfaces().setEnabled(true).addInterface("127.0.0.1");
    config.getNetworkConfig().getJoin().getMulticastConfig().setEnabled(false);
    config.getNetworkConfig().getJoin().getAutoDetectionConfig().setEnabled(false);
    HazelcastInstance member = Hazelcast.newHazelcastInstance(config);
    System.out.println("started");
    new BufferedReader(new InputStreamReader(System.in)).readLine();
    member.getLifecycleService().terminate();
    Runtime.getRuntime().halt(0);
  }
}
